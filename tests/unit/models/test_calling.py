"""A model in its calling form: tensors in a stated order go in, flat tensors come out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from pytest_torchscript.errors import MachineFailure
from pytest_torchscript.models.calling import Positional, names_by_place, takes_keywords
from pytest_torchscript.models.functions import as_module, call_parameters


class Difference(nn.Module):
    def forward(self, x: Any, y: Any = None, *, scale: float = 1.0, **_: Any) -> Any:
        return {"difference": (x - y) * scale, "both": [x, (y, None)]}


class Raises(nn.Module):
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise self.error


ONE, TWO = torch.ones(2), torch.full((2,), 2.0)


def test_inputs_go_by_name_whatever_their_order() -> None:
    model = Positional(Difference().eval(), ("y", "x"), constants={"scale": 3.0})
    assert [leaf.tolist() for leaf in model(ONE, TWO)] == [[3, 3], [2, 2], [1, 1]]
    assert list(model.call(ONE, TWO)) == ["difference", "both"]
    assert not model.training


def test_what_names_no_parameters_is_called_by_place() -> None:
    assert Positional(as_module(torch.sub), ("a", "b"), keyword=False)(TWO, ONE)[0].tolist() == [1, 1]


def test_what_is_packed_is_packed_for_the_model_alone() -> None:
    seen = []

    def pack(arguments: Any) -> Any:
        seen.append(list(arguments))
        return {"x": arguments["past.0"], "y": arguments["past.1"]}

    assert Positional(Difference(), ("past.0", "past.1"), pack=pack)(TWO, ONE)[0].tolist() == [1, 1]
    assert seen == [["past.0", "past.1"]]


def test_an_exit_is_an_exception_and_a_lack_of_memory_no_answer() -> None:
    with pytest.raises(Exception, match="3") as caught:
        Positional(Raises(SystemExit(3)), ("x",))(ONE)
    assert type(caught.value).__name__ == "SystemExit"
    with pytest.raises(MachineFailure):
        Positional(Raises(MemoryError()), ("x",))(ONE)
    with pytest.raises(ZeroDivisionError):
        Positional(Raises(ZeroDivisionError()), ("x",))(ONE)
    with pytest.raises(KeyboardInterrupt):
        Positional(Raises(KeyboardInterrupt()), ("x",))(ONE)


@pytest.mark.parametrize(
    ("model", "names", "takes"),
    [
        (nn.Linear(1, 1), ("input",), True),
        (nn.Linear(1, 1), ("x",), False),
        (Difference(), ("anything",), True),
        (as_module(torch.relu), ("input",), False),
        (as_module(lambda x, /: x), ("x",), False),
    ],
)
def test_which_names_a_model_takes(model: nn.Module, names: tuple[str, ...], takes: bool) -> None:
    assert takes_keywords(model, names) is takes


def plus_one(x: torch.Tensor) -> torch.Tensor:
    return x + 1


def test_arguments_by_place_are_named_by_the_parameters() -> None:
    def function(x: Any, y: Any, /, z: Any = None, *more: Any, key: Any = None) -> None: ...

    parameters = call_parameters(as_module(function))
    assert names_by_place(parameters, 2) == (["x", "y"], False)
    assert names_by_place(parameters, 5) == (["x", "y", "z", "more_0", "more_1"], False)
    assert names_by_place(call_parameters(as_module(plus_one)), 1) == (["x"], True)
    assert names_by_place(call_parameters(as_module(plus_one)), 2) == (["x"], True)
    assert names_by_place(None, 2) == (["input_0", "input_1"], False)
