"""Models that copy.deepcopy does not take, or that are no plain sum of parameters: hooks, parametrizations, eight bits,
locks and generators. Sound ones, and the same with a size frozen."""

from __future__ import annotations

import threading
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from pytest_torchscript import Axis

from .base import FEATURES, Specimen, signal
from .signal import Encoder


class CalledNorm(Encoder):
    """A weight is normed by a hook and was computed with gradients: such a module does not copy."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.utils.weight_norm(self.linear)
        self.linear(torch.ones(1, FEATURES))

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return self.linear(signal).mean(1)


class CalledNormFloat(CalledNorm):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return self.linear(signal).sum(1) / float(signal.shape[1])  # culprit


class Spectral(Encoder):
    """Its hook keeps the vectors of a power iteration in buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.utils.spectral_norm(self.linear)
        self.linear(torch.ones(1, FEATURES))

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return self.linear(signal).amax(1)


class Symmetric(nn.Module):
    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight.triu() + weight.triu(1).transpose(0, 1)


class Parametrized(Encoder):
    """Its weight is computed from another by a parametrization."""

    def __init__(self) -> None:
        super().__init__()
        parametrize.register_parametrization(self.linear, "weight", Symmetric())

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return self.linear(signal).cumsum(1)


class ParametrizedRows(Parametrized):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        rows = [self.linear(row) for row in signal]  # culprit
        return torch.stack(rows)  # culprit


class EightBits(nn.Module):
    """Weights of eight bits, packed outside of parameters and buffers."""

    def __init__(self) -> None:
        super().__init__()
        plain = nn.Sequential(nn.Linear(FEATURES, FEATURES), nn.ReLU())
        self.inner = torch.ao.quantization.quantize_dynamic(plain.eval(), {nn.Linear}, dtype=torch.qint8)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return self.inner(signal).sum(1)


class EightBitsByLength(EightBits):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return self.inner(signal) * len(signal[0])  # culprit


class Guarded(Encoder):
    """Holds a lock, which does not copy, and takes it for as long as it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        with self.lock:
            return self.linear(signal)


class GuardedSteps(Guarded):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        with self.lock:
            steps = list(range(signal.shape[1]))  # culprit
            return self.linear(signal) + torch.tensor(steps, dtype=signal.dtype)[:, None]  # culprit


class HoldsGenerator(Encoder):
    """Holds a source of noise that only training draws from."""

    def __init__(self) -> None:
        super().__init__()
        self.source = torch.Generator().manual_seed(1)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        if self.training:
            signal = signal + torch.randn(signal.shape, generator=self.source)
        return self.linear(signal).tanh()


class Owner:
    """What is no module, and does not copy."""

    def __init__(self, model: nn.Module) -> None:
        self.model, self.lines = model, (line for line in ())

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        raise TypeError("an owner does not copy")


class PointsBack(Encoder):
    """Knows its owner, who knows it, and reads the number of rows where no tracer follows."""

    def __init__(self) -> None:
        super().__init__()
        self.owner = Owner(self)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        share = 1 / int(signal.shape[0])  # culprit
        return self.linear(signal) * share  # culprit


_SIGNAL = signal(batch=Axis("batch", max=6), time=Axis("time", max=24))

SPECIMENS = tuple(
    Specimen(model, _SIGNAL)
    for model in (
        CalledNorm,
        CalledNormFloat,
        Spectral,
        Parametrized,
        ParametrizedRows,
        EightBits,
        EightBitsByLength,
        Guarded,
        GuardedSteps,
        HoldsGenerator,
        PointsBack,
    )
)
