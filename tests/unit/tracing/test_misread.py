"""The right lines where torch's are off; where they are right, there is nothing to repair."""

from __future__ import annotations

import torch
from torch import nn

from pytest_torchscript.tracing.graph import read_graph
from pytest_torchscript.tracing.misread import lines_are_off, repair_lines
from pytest_torchscript.tracing.trace import trace_module
from pytest_torchscript.tracing.watch import watch


class Lines(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total = x.sum(1)
        for _ in range(x.shape[1]):
            total = total + 1
        total = total.view(x.shape[0], 2, 2)
        return total * x.stride(0) * len(x)


def test_lines_are_right_after_repair() -> None:
    made = trace_module(Lines(), (torch.ones(2, 3, 4),))
    recording = read_graph(made.graph, made.weights)
    if lines_are_off():
        recording = repair_lines(recording, watch(made).calls)
    lines = {operation.kind: operation.stack[0].line for operation in reversed(recording.operations)}
    first = Lines.forward.__code__.co_firstlineno
    assert (lines["aten::sum"] - first, lines["aten::view"] - first, lines["aten::mul"] - first) == (1, 4, 5)
