"""A traced graph is read as operations with their constants folded in."""

from __future__ import annotations

import torch
from recorded import Layered, Scripted, recording
from torch import nn

from pytest_torchscript.tracing.differences import find_differences
from pytest_torchscript.tracing.graph import Attribute, Literal, Result, Several, attributes_in, results_in


def test_constants_attributes_and_lists_are_folded_into_their_operation() -> None:
    read = recording(Layered(1), 2, 3, 4)
    reshape = next(operation for operation in read.operations if operation.kind == "aten::reshape")
    assert reshape.arguments[0] == Result(-1, 0)
    shape = reshape.arguments[1]
    assert isinstance(shape, Several)
    assert isinstance(shape.items[0], Result)  # the batch is computed, the rest is written down
    assert shape.items[1:] == (Literal(-1), Literal(4))
    linear = next(operation for operation in read.operations if operation.kind == "aten::linear")
    assert linear.arguments[1] == Attribute("layers.0.weight")
    assert linear.scope.endswith("layers.0")
    assert all(operation.stack for operation in read.operations)


def test_scripted_parts_are_read_with_their_branches() -> None:
    left, right = recording(Scripted(), 2, 3, 4), recording(Scripted(), 2, 5, 4)
    assert {"prim::If", "aten::mul"} <= {operation.kind for operation in left.operations}
    assert find_differences(left, right) == []


class Drops(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.dropped = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _ = x * self.dropped
        kept = x + self.used
        kept.mul_(2)
        return kept


def test_what_nothing_depends_on_is_not_live_unless_it_writes() -> None:
    read = recording(Drops(), 2, 3)
    live = {operation.kind: operation.live for operation in read.operations}
    assert live["aten::add"]
    assert live["aten::mul_"]
    assert not live.get("aten::mul", False)
    assert attributes_in(read) == ["used"]


def test_results_in_lists_are_found() -> None:
    nested = (Result(0, 0), Several((Result(1, 0), Literal(3), Several((Result(2, 1),)))), Attribute("w"))
    assert list(results_in(nested)) == [Result(0, 0), Result(1, 0), Result(2, 1)]
