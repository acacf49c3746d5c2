"""Toy models, good and bad, each with the one property its name says. Small enough to trace in milliseconds."""

from __future__ import annotations

import random

import torch
from torch import nn
from torch.nn import functional

from pytest_torchscript import Axis, TensorSpec

SIGNAL = {"x": TensorSpec(Axis("batch", max=6), Axis("time", max=40), 4)}
TEXT = {
    "input_ids": TensorSpec("batch", Axis("sequence", max=40), dtype=torch.int64, low=0, high=50, role="ids"),
    "attention_mask": TensorSpec("batch", "sequence", dtype=torch.int64, low=0, high=2, role="mask", optional=True),
}


class Sound(nn.Module):
    """Right at every size."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x).cumsum(1)


class FrozenMean(nn.Module):
    """Divides by the length of its example."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum(1) / float(x.shape[1])


class Doubled(nn.Module):
    """Doubles when it is traced: wrong for the very inputs of its export."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2.0 if torch.jit.is_tracing() else x * 1.0


class FrozenView(nn.Module):
    """Raises at any other length."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(x.shape[0], int(x.shape[1]) * 4)


class Needle(nn.Module):
    """Wrong at one length alone."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[1] == 29:
            return x * 2
        return x


class Even(nn.Module):
    """Takes even lengths only, and is right at all of them."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(1, (-1, 2)).sum(2)


class OnlyTwelve(nn.Module):
    """Takes one length."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[1] != 12:
            raise ValueError(f"expected 12 steps, got {x.shape[1]}")
        return x.sum(1)


class JointOnly(nn.Module):
    """Right along each axis alone, wrong where both are large."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] > 3 and x.shape[1] > 20:
            return x * 2
        return x


class FrozenSign(nn.Module):
    """Keeps the branch that the values of its example took."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if bool((x > 50).any()):
            return x.clamp(max=50.0)
        return x * 1.0


class WorseAtOne(nn.Module):
    """Right when traced longer than one step."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.cumsum(1) if x.shape[1] > 1 else x * 1.0


class Masked(nn.Module):
    """Averages over the real positions."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(50, 4)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        hidden = self.embedding(input_ids)
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        weights = attention_mask[..., None].to(hidden.dtype)
        return (hidden * weights).sum(1) / weights.sum(1)


class MaskIgnored(Masked):
    """Takes a mask and does not look at it."""

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        ids = input_ids if attention_mask is None else input_ids + 0 * attention_mask
        return self.embedding(ids).mean(1)


class Barely(nn.Module):
    """Feels one of its inputs too little for any comparison to tell."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x + 1e-12 * y


class PythonRandom(nn.Module):
    """Random even in eval mode and under one torch seed."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + random.random()


class DropoutOn(nn.Module):
    """Keeps its dropout on in eval mode."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.dropout(x, 0.5, training=True)


class SeededNoise(nn.Module):
    """Draws random numbers, the same under one seed."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.rand_like(x)


class Counter(nn.Module):
    """Keeps state between calls."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x + self.calls


class SwitchesItself(nn.Module):
    """Changes for good on its first short call, as BigBird does, and is right about it."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[1] < 5:
            self.scale = 1.0 + 0.0 * self.scale
            self.switched = True
        return x * self.scale


class WritesIntoInput(nn.Module):
    """Changes the tensor it was given."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x.mul_(2.0)
        return x + 1.0


class Nested(nn.Module):
    """Returns dicts, tuples and None."""

    def forward(self, x: torch.Tensor) -> dict[str, object]:
        return {"sum": x.sum(1), "nothing": None, "parts": (x[:, 0], (x * 2, None)), "empty": ()}


class NestedFrozen(Nested):
    """Is wrong deep inside a nested output."""

    def forward(self, x: torch.Tensor) -> dict[str, object]:
        return {"sum": x.sum(1), "parts": (x[:, 0], (x / float(x.shape[1]), None))}


class Tied(nn.Module):
    """Uses its embedding again as its head."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(50, 4)
        self.head = nn.Linear(4, 50, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.embedding(input_ids))


class _Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: object, grad: torch.Tensor) -> torch.Tensor:
        return grad * 2


class CannotSave(nn.Module):
    """Traces, but TorchScript cannot write its Python function."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return _Double.apply(x)


class CannotTrace(nn.Module):
    """Answers with something no trace can hold."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if torch.jit.is_tracing():
            raise RuntimeError("this model does not trace")
        return x


class OtherwiseWhenTraced(nn.Module):
    """Answers otherwise to the tracer than to its caller."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 3 if torch.jit.is_tracing() else x * 2


class ChainedAddmm(nn.Module):
    """Freezing takes `addmm` apart and works out shapes without broadcasting: torch raises (pytorch/pytorch 92742)."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.rand(6, 4))
        self.left = nn.Parameter(torch.rand(6, 4))
        self.right = nn.Parameter(torch.rand(4, 4))

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        x = torch.sin(x)
        first = torch.addmm(self.bias, self.left, x)
        second = torch.addmm(first, y, self.right)  # breaks
        return torch.cos(second) * y.shape[0]

    #: The line that breaks.
    BREAKS = forward.__code__.co_firstlineno + 3
