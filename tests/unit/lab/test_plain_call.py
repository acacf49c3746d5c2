"""What torch.jit.trace says to the plain call, and the lines that hand a model over flat: shown, and run."""

from __future__ import annotations

import functools
import textwrap
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn

from pytest_torchscript import TensorSpec
from tests.forms import Sum, Switched, run, sound


class Pair(NamedTuple):
    left: Any
    right: Any


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRU(3, 4)

    def forward(self, x: torch.Tensor, state: Any) -> Any:
        return self.cell(x, state[0])


class Left(nn.Module):
    def forward(self, pair: Pair) -> torch.Tensor:
        return pair.left - pair.right


class Made(nn.Module):
    """Returns what a function makes of the output of a layer and the input."""

    def __init__(self, make: Callable[[torch.Tensor, torch.Tensor], Any]) -> None:
        super().__init__()
        self.make = make
        self.layer = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> Any:
        return self.make(self.layer(x), x)


LAYER = nn.Linear(3, 3).eval()


X = {"x": TensorSpec("batch", 3)}


STATE = TensorSpec(1, "batch", 4)


@pytest.mark.parametrize(
    ("model", "inputs", "flat"),
    [
        (Recurrent, {"x": TensorSpec("time", "batch", 3), "state": (STATE,)}, ["x", "state.0"]),
        (Sum, {"parts": [TensorSpec("batch", 3), TensorSpec("batch", 3)]}, ["parts.0", "parts.1"]),
        (Sum, {"parts": {"a": TensorSpec("batch", 3), "b c": TensorSpec("batch", 3)}}, ["parts.a", "parts.b c"]),
        (Left, {"pair": Pair(TensorSpec("batch", 3), TensorSpec("batch", 3))}, ["pair.left", "pair.right"]),
        (Left, (Pair(TensorSpec("batch", 3), TensorSpec("batch", 3)),), ["pair.left", "pair.right"]),
    ],
)
def test_nested_inputs_are_flat_in_the_export(model: type[nn.Module], inputs: Any, flat: list[str]) -> None:
    result = sound(model(), inputs)
    assert list(result.exports[0].signature.inputs) == flat
    assert any(note.startswith("nested inputs are flat in the export") for note in result.notes)
    assert any("flat form" in note and "torch.jit.trace(flat, (" in note for note in result.notes)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda y, x: (y, None), "Only tensors, lists, tuples of tensors, or dictionary of tensors can be output"),
        (lambda y, x: {"y": y, "name": "answer"}, "Found Tensor and str"),
        (lambda y, x: {"y": y, "more": [{"y": y}]}, "Dictionary inputs to traced functions must have consistent type"),
        (lambda y, x: [[y, [y, x]], x], "List inputs to traced functions must have consistent element type"),
        (
            lambda y, x: {"y": y},
            "Encountering a dict at the output of the tracer might cause the trace to be incorrect; ",
        ),
    ],
)
def test_outputs_that_torch_refuses_are_checked_flat_and_told(make: Any, said: str) -> None:
    result = sound(Made(make), X)
    assert len(result.notes) == 1
    assert result.notes[0].startswith("torch.jit.trace refuses the model as it is called here: RuntimeError: ")
    assert said in result.notes[0]
    assert "tensor(" not in result.notes[0]


def test_a_dict_passes_with_strict_off_and_that_is_said() -> None:
    assert "with strict=False it takes it" in sound(Made(lambda y, x: {"y": y}), X).notes[0]


def test_outputs_that_torch_takes_are_not_spoken_of() -> None:
    assert sound(Made(lambda y, x: (y, (x, Pair(y, x)))), X).notes == []


def test_a_number_that_is_a_size_moves_and_is_told() -> None:
    result = sound(Made(lambda y, x: (y, x.shape[0])), X)
    assert len(result.notes) == 1
    assert result.notes[0] == "output [1]: a number in eager, a tensor without dims in the export"


def test_a_number_that_is_frozen_diverges() -> None:
    result = run(Made(lambda y, x: (y, int(x.shape[0]))), X, "trace", "axis")
    assert result.axis("batch").verdict == "diverges"
    assert "torch.jit.trace refuses" in result.notes[1]
    assert result.notes[0] == "output [1]: a number in eager, a tensor without dims in the export"


@pytest.fixture
def quiet() -> Iterator[None]:
    """What torch says of its own age is not the question here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def flat_trace(note: str, model: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """Run the lines of a note as a reader would."""
    scope: dict[str, Any] = {
        "__name__": "reader",
        "LAYER": LAYER,
        "torch": torch,
        "model": model,
        "function": model,
        "Pair": Pair,
        **tensors,
    }
    exec(textwrap.dedent(note.partition("\n")[2]), scope)
    return scope["traced"]


@pytest.mark.parametrize(
    ("model", "inputs", "names"),
    [
        (Recurrent(), {"x": torch.randn(5, 2, 3), "state": (torch.zeros(1, 2, 4),)}, ["x", "state_0"]),
        (Sum(), {"parts": {"a": torch.randn(2, 3), "b c": torch.randn(2, 3)}}, ["parts_a", "parts_b_c"]),
        (Left(), {"pair": Pair(torch.randn(2, 3), torch.randn(2, 3))}, ["pair_left", "pair_right"]),
        (Switched(), {"x": torch.randn(2, 3), "double": True, "mode": "mean"}, ["x"]),
        (Made(lambda y, x: {"y": y, "n": 3, "more": [None, x]}), {"x": torch.randn(2, 3)}, ["x"]),
        (functools.partial(lambda x, scale: [x, [x * scale]], scale=2.0), {"x": torch.randn(2, 3)}, ["x"]),
        (Made(lambda y, x: [y, [x]]).forward, {"x": torch.randn(2, 3)}, ["x"]),
        (lambda x: LAYER(x), {"x": torch.randn(2, 3)}, ["x"]),
        (functools.partial(lambda layer, x: layer(x), LAYER), {"x": torch.randn(2, 3)}, ["x"]),
    ],
)
@pytest.mark.usefixtures("quiet")
def test_the_lines_that_are_shown_work(model: Any, inputs: Any, names: list[str]) -> None:
    result = run(model, inputs, "trace")
    assert result.passed, [item.message for item in result.failures]
    note = next(note for note in result.notes if "torch.jit.trace(flat" in note)
    assert len(note.splitlines()) <= 4
    leaves = [leaf for leaf in torch.utils._pytree.tree_flatten(inputs)[0] if isinstance(leaf, torch.Tensor)]
    owner = getattr(model, "__self__", model)
    traced = flat_trace(note, owner, dict(zip(names, leaves)))
    answer = traced(*leaves)
    eager = owner(**inputs) if isinstance(owner, nn.Module) else model(**inputs)
    first = next(leaf for leaf in torch.utils._pytree.tree_flatten(eager)[0] if isinstance(leaf, torch.Tensor))
    assert torch.equal(answer[0] if isinstance(answer, tuple) else answer, first)


def test_a_function_that_calls_a_module_is_told_that_torch_refuses_it() -> None:
    linear = nn.Linear(3, 3).eval()
    result = sound(lambda x: linear(x) * 2, X)
    assert result.parameters == 12
    assert "Cannot insert a Tensor that requires grad as a constant" in result.notes[0]
