"""What a model lets Python see of its inputs: sizes, how they compare, or values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pytest_torchscript.tracing.reach import Reach, sizes_moved
from pytest_torchscript.tracing.trace import Trace, trace_module
from pytest_torchscript.tracing.watch import watch


class Calls(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x)


def trace(function: Callable[..., Any], time: int = 11) -> Trace:
    return trace_module(Calls(function), (torch.ones(2, time, 4),))


def reach(function: Callable[..., Any]) -> Reach:
    seen = watch(trace(function))
    assert seen.whole
    return seen.reach


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.flatten(1),
        lambda x: x + x.shape[1],
        lambda x: x + torch.arange(x.size(1))[None, :, None],
        lambda x: x if x.dim() == 3 and x.is_floating_point() else x + 1,
        lambda x: x.max(1)[0],
    ],
)
def test_what_stays_in_the_graph_reaches_nobody(function: Callable[..., Any]) -> None:
    assert reach(function) == Reach()


@pytest.mark.parametrize(
    ("function", "taken"),
    [
        (lambda x: x / float(x.shape[1]), {11}),
        (lambda x: x + sum(range(x.shape[1])), {11}),
        (lambda x: x + len(x), {2}),
        (lambda x: x * x.stride(0), {2, 11, 4}),
        (lambda x: sum(x.unbind(1)), {2, 11, 4}),
        (lambda x: x.split(3, 1)[0], {11}),
        (lambda x: x + int(x[:, 2:].shape[1]), {9}),
        (lambda x: x + 1 if x.shape[1] // 2 > 4 else x, {11}),
    ],
)
def test_sizes_that_python_takes_are_known(function: Callable[..., Any], taken: set[int]) -> None:
    found = reach(function)
    assert (found.taken, found.values) == (taken, False)


def test_sizes_that_are_compared_bring_the_numbers_they_are_compared_with() -> None:
    found = reach(lambda x: x + 1 if x.shape[1] > 37 else x)
    assert (found.taken, dict(found.compared)) == (set(), {11: {37}})
    assert 40 in reach(lambda x: x + 1 if x.shape[1] - 3 > 37 else x).compared[11]
    assert found.together == set()
    found = reach(lambda x: x + 1 if x.shape[1] > x.shape[0] else x)
    assert (found.compared, found.together) == ({11: {2}, 2: {11}}, {2, 11})
    found = reach(lambda x: x + 1 if x.shape[1] % 8 == 0 else x)
    assert (set(found.compared), found.together) == ({11}, {11})  # it is a multiple at every few sizes


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x + 1 if bool((x > 0).all()) else x,
        lambda x: x + x.sum().item(),
        lambda x: x + float(np.asarray(x.detach().numpy()).mean()),
        lambda x: x.data + 1,
        lambda x: x + (1 if x.sum() * x.shape[1] > 3 else 2),
    ],
)
def test_values_that_python_sees_are_told(function: Callable[..., Any]) -> None:
    assert reach(function).values


def test_what_the_tracer_does_not_know_may_be_anything() -> None:
    found = Reach()
    found.add("__bool__", torch.ones(1), True)  # nothing is traced here
    assert found.values


def test_sizes_that_move_are_told_from_those_that_stay() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        return x[:, ::2].transpose(1, 2)

    assert sizes_moved(trace(function), trace(function, 13)) == {(11, 13), (6, 7)}


def test_traces_of_other_operations_do_not_compare() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        return x.relu() if x.shape[1] > 12 else x.abs()

    assert sizes_moved(trace(function), trace(function, 13)) is None
