"""Graphs are read as operations with their constants, and aligned by where they stand."""

from __future__ import annotations

import time
import warnings

import torch
from torch import nn

from pytest_torchscript.tracing.align import align
from pytest_torchscript.tracing.differences import find_differences
from pytest_torchscript.tracing.graph import read_graph
from pytest_torchscript.tracing.trace import trace_module


class Layered(nn.Module):
    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(layers)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x.reshape(x.shape[0], -1, 4)) + 1
        if x.shape[1] > 3:
            x = x * 2
        return x


def recording(module: nn.Module, *shape: int):
    return read_graph(trace_module(module, (torch.rand(*shape),)).module)


def test_equal_traces_align_and_do_not_differ() -> None:
    left, right = recording(Layered(3), 2, 3, 4), recording(Layered(3), 5, 2, 4)
    alignment = align(left, right)
    assert len(alignment.pairs) == len(left.operations)
    assert not alignment.only_left
    assert not alignment.only_right
    assert find_differences(left, right) == []


def test_an_operation_without_counterpart_stands_alone() -> None:
    alignment = align(recording(Layered(2), 2, 3, 4), recording(Layered(2), 2, 5, 4))
    assert [operation.kind for operation in alignment.only_right] == ["aten::mul"]


class Turns(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = x[:, 0]
        for at in range(x.shape[1]):
            out = out.add(x[:, at]).mul(2)
        return out


def test_large_graphs_of_other_lengths_are_compared_quickly() -> None:
    left, right = recording(Turns(), 1, 300, 1), recording(Turns(), 1, 400, 1)
    assert len(right.operations) > 1500
    start = time.perf_counter()
    differences = find_differences(left, right)
    assert time.perf_counter() - start < 2  # seconds
    assert len(differences) == len(right.operations) - len(left.operations)


def double_when_long(x: torch.Tensor) -> torch.Tensor:
    if x.shape[1] > 3:
        x = x * 2
    return x


class Scripted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's notice that scripting is deprecated
            self.scripted = torch.jit.script(double_when_long)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scripted(x)
