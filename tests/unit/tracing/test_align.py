"""Graphs are read as operations with their constants, and aligned by where they stand."""

from __future__ import annotations

import time

import torch
from recorded import Layered, recording
from torch import nn

from pytest_torchscript.tracing.align import align
from pytest_torchscript.tracing.differences import find_differences


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
