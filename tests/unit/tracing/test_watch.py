"""A trace made again under watch shows what Python read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from pytest_torchscript.tracing.trace import Trace, trace_module
from pytest_torchscript.tracing.watch import changed_reads, watch


class Reads(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total = x.sum(1)
        for _ in range(x.shape[1]):
            total = total + 1
        total = total.view(x.shape[0], 2, 2)
        total = total * x.stride(0) * len(x)
        if x.shape[1] > 4:
            total = total + np.asarray(x.detach().numpy()).shape[1]
        return total


def trace(time: int) -> Trace:
    return trace_module(Reads(), (torch.ones(2, time, 4),))


def test_changed_reads_are_named_with_their_values() -> None:
    changed = changed_reads(watch(trace(3)), watch(trace(6)))
    found = {(read.name, read.old, read.new) for read in changed}
    assert found == {("__index__", 3, 6), ("stride", 12, 24), ("__bool__", False, True)}
    first = Reads.forward.__code__.co_firstlineno
    assert [read.stack[0].line - first for read in changed] == [2, 5, 6]


def test_a_watch_is_made_once_and_only_of_what_is_known() -> None:
    made = trace(3)
    assert watch(made) is watch(made)
    assert watch(Trace(made.graph)).reads == []


class Looks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(7, 4, padding_idx=1)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.table(ids)


def test_what_torch_reads_in_its_own_functions_is_seen() -> None:
    """F.embedding asks whether the padding is in the table: of the table's size, which the tracer warns of."""
    made = trace_module(Looks(), (torch.zeros(2, 3, dtype=torch.int64),))
    (warned,) = made.warnings
    seen = watch(made)
    assert (warned.file, warned.line) in {(read.stack[0].file, read.stack[0].line) for read in seen.reads}
    assert (dict(seen.reach.compared), seen.reach.taken, seen.reach.values) == ({7: {1}}, set(), False)


class Grouped(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.group_norm(x, 1)


def test_numbers_that_torch_takes_in_its_own_functions_are_seen() -> None:
    """F.group_norm asks whether a group has more than one number: that is the product of all sizes."""
    seen = watch(trace_module(Grouped(), (torch.zeros(2, 3, 12),)))
    assert seen.reach.taken >= {2, 3, 12}


class Shy(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if torch.overrides.has_torch_function((x,)) or torch.overrides._get_current_function_mode_stack():
            raise RuntimeError("not under watch")
        return x


@pytest.mark.skipif(not hasattr(torch.overrides, "_get_current_function_mode_stack"), reason="torch before 2.0")
def test_a_model_that_does_not_bear_the_watch_shows_nothing() -> None:
    assert watch(trace_module(Shy(), (torch.ones(1),))).reads == []
