"""Modules, and the operations that a trace of them has."""

from __future__ import annotations

import warnings

import torch
from torch import nn

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


def recording(module: nn.Module, *shape: int):
    trace = trace_module(module, (torch.rand(*shape),))
    return read_graph(trace.graph, trace.weights)
