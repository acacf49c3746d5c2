"""Operations that only one of two traces has are counted for the line that parted them."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import nn

from pytest_torchscript.tracing.differences import STRUCTURE, find_differences
from pytest_torchscript.tracing.forks import Fork, Group, Paths, find_fork, find_reason, group_by_reason
from pytest_torchscript.tracing.graph import Operation, read_graph
from pytest_torchscript.tracing.misread import lines_are_off
from pytest_torchscript.tracing.trace import trace_module
from pytest_torchscript.tracing.watch import changed_reads, watch


class Branches(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[1] > 3:  # parts
            x = x * 2
            x = x - 1
        return x + 1


class Turns(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = x[:, 0]
        for at in range(x.shape[1]):  # parts
            out = out + x[:, at]
        return out


class Chooses(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        long = x.shape[1] > 3  # read
        x = x.exp()
        return x.relu() if long else x  # parts


class Calls(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.long if x.shape[1] > 3 else self.short)(x)  # parts

    def long(self, x: torch.Tensor) -> torch.Tensor:
        return x.exp() + 1

    def short(self, x: torch.Tensor) -> torch.Tensor:
        return x.relu()


def groups(model: nn.Module, *, watched: bool = True) -> list[Group]:
    traces = [trace_module(model, (torch.rand(2, time),)) for time in (3, 5)]
    left, right = (read_graph(trace.graph, trace.weights) for trace in traces)
    loose = [found for found in find_differences(left, right) if found.kind == STRUCTURE]
    changed = changed_reads(watch(traces[0]), watch(traces[1])) if watched else []
    return group_by_reason(loose, (right, left), changed)


def line_of(model: nn.Module, mark: str) -> int:
    lines, first = inspect.getsourcelines(type(model))
    return first + next(number for number, line in enumerate(lines) if line.rstrip().endswith(f"# {mark}"))


@pytest.mark.parametrize("model", [Branches(), Turns(), Calls()], ids=lambda model: type(model).__name__)
@pytest.mark.filterwarnings("ignore")
def test_the_line_that_parts_is_named(model: nn.Module) -> None:
    found = groups(model)
    assert [group.reason.stack[0].line for group in found] == [line_of(model, "parts")]
    # Where the tracer names earlier lines than the right ones, each round of a loop is said to stand before the loop.
    assert found[0].reason.sure or (lines_are_off() and isinstance(model, Turns))


@pytest.mark.filterwarnings("ignore")
def test_what_was_read_elsewhere_is_named_where_it_was_read() -> None:
    (found,) = groups(Chooses())
    assert found.reason.stack[0].line in (line_of(Chooses(), "read"), line_of(Chooses(), "parts"))


@pytest.mark.filterwarnings("ignore")
def test_nodes_are_counted_and_what_python_read_is_told() -> None:
    (found,) = groups(Branches())
    assert len(found.operations) >= 2
    assert found.describe().startswith("False became True, ")
    assert found.describe().endswith(f"{len(found.operations)} nodes more")
    assert all("became" not in group.describe() for group in groups(Branches(), watched=False))


def test_nothing_loose_is_no_group_and_compiled_code_has_no_fork() -> None:
    recording = read_graph(trace_module(nn.ReLU(), (torch.ones(1),)).graph)
    assert group_by_reason([], (recording, recording), []) == []
    stackless = Operation(0, "aten::relu", "", (), (), 1)
    assert find_fork(stackless, Paths.of(recording), repeated=False) == Fork(())
    assert not find_reason(Fork(()), []).sure
