"""Functions as models: what they are called, what they take, which modules they call, and copies of all that."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import pytest
import torch
from torch import nn

from pytest_torchscript.common.copying import copy_module
from pytest_torchscript.models.functions import (
    FunctionModel,
    as_module,
    call_parameters,
    is_model,
    name_of,
    needs_arguments,
    plain_model,
)

LAYER = nn.Linear(3, 3)


def of_a_global(x: torch.Tensor) -> torch.Tensor:
    out: torch.Tensor = LAYER(x)
    return out


def of_a_closure(layer: nn.Module) -> Any:
    def inner(x: torch.Tensor, scale: float = 2.0) -> Any:
        return layer(x) * scale

    return inner


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def encode(self, x: torch.Tensor) -> Any:
        return self.layer(x)


class Callable:
    def __init__(self) -> None:
        self.layer = nn.Linear(3, 3)

    def __call__(self, x: torch.Tensor) -> Any:
        return self.layer(x)


def scripted(model: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(model) if isinstance(model, nn.Module) else torch.jit.trace(model, torch.ones(2, 3))


def plus_one(x: torch.Tensor) -> torch.Tensor:
    return x + 1


FUNCTIONS = {
    "of_a_global": (of_a_global, 1),
    "inner": (of_a_closure(nn.Linear(3, 3)), 1),
    "Encoder.encode": (Encoder().encode, 1),
    "plus_one": (plus_one, 0),
    "relu": (torch.relu, 0),
    "Callable": (Callable(), 1),
}


@pytest.mark.parametrize(("name", "function", "modules"), [(name, *rest) for name, rest in FUNCTIONS.items()])
def test_a_function_is_a_module_that_copies_and_traces(name: str, function: Any, modules: int) -> None:
    model = as_module(function)
    assert isinstance(model, FunctionModel)
    assert plain_model(model) is function
    assert name_of(model) == name
    assert len(model.modules_called) == modules
    copied, x = copy_module(model), torch.randn(2, 3)
    assert torch.equal(copied(x), function(x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(copied, x, check_trace=False)
    assert len(list(traced.named_parameters())) == 2 * modules
    assert torch.equal(traced(x), function(x))


def test_a_partial_is_called_by_what_it_calls() -> None:
    model = as_module(functools.partial(of_a_closure(nn.Linear(3, 3)), scale=3.0))
    assert name_of(model) == "inner"
    assert len(model.modules_called) == 1
    assert torch.equal(copy_module(model)(torch.ones(1, 3)), model(torch.ones(1, 3)))


def test_a_copy_calls_copies() -> None:
    model = as_module(of_a_closure(nn.Sequential(nn.BatchNorm1d(3)).train()))
    assert model.training
    copied = copy_module(model).eval()
    assert not copied.training
    assert plain_model(model).__closure__[0].cell_contents.training
    assert not plain_model(copied).__closure__[0].cell_contents.training


def test_names_of_scripted_models() -> None:
    assert name_of(scripted(Encoder().layer)) == "Linear"
    assert name_of(as_module(scripted(plus_one))) == "plus_one"
    assert name_of(as_module(lambda x: x)) == "function"


def test_what_may_be_called_with_what() -> None:
    assert list(call_parameters(nn.Linear(1, 1)) or ()) == ["input"]
    assert list(call_parameters(scripted(nn.Linear(1, 1))) or ()) == ["input"]
    assert list(call_parameters(as_module(scripted(plus_one))) or ()) == ["x"]
    assert list(call_parameters(as_module(functools.partial(nn.Linear(1, 1)))) or ()) == ["input"]
    assert call_parameters(as_module(torch.relu)) is None


def test_what_is_a_model_and_what_makes_one() -> None:
    assert [is_model(value) for value in (LAYER, plus_one, torch.relu, nn.Linear, "bert", 3, None)] == [
        *[True] * 3,
        *[False] * 4,
    ]
    assert [needs_arguments(value) for value in (plus_one, nn.Linear, nn.ReLU, lambda *args: args, torch.relu)] == [
        *[True] * 2,
        *[False] * 3,
    ]
