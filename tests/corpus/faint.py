"""Faint defects: wrong by little, or where something larger stands beside them; and noise that is no defect."""

from __future__ import annotations

from typing import Any

import torch

from pytest_torchscript import Axis

from .base import Specimen, signal
from .signal import Encoder


class FaintMean(Encoder):
    """The wrong mean of `FloatMean`, a million times smaller: no fixed tolerance sees it."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return 1e-6 * self.linear(signal).sum(1) / float(signal.shape[1])  # culprit


class FaintAdded(Encoder):
    """The defect is added to a larger leaf: it moves it by a few eps of its scale."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        step = float(signal.shape[1]) / 48  # culprit
        return self.linear(signal) + 3e-5 * step  # culprit


class FaintLeaf(Encoder):
    def forward(self, signal: torch.Tensor) -> dict[str, Any]:
        hidden = self.linear(signal)
        small = 1e-7 * hidden.amax(1) * len(signal)  # culprit
        return {"hidden": 1e3 * hidden, "small": small}


class LargeOffset(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return 1e4 + self.linear(signal).sum(1) / float(signal.shape[1]) ** 0.5  # culprit


class BesideFill(Encoder):
    """A fill with the lowest float stands in the same leaf and must not set its scale."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        scores = self.linear(signal) / int(signal.shape[1])  # culprit
        return torch.cat([scores, torch.full_like(scores[:, :, :1], torch.finfo(scores.dtype).min)], 2)


class BesideNan(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        hidden = self.linear(signal) * 1e-3 ** (1 / int(signal.shape[0]))  # culprit
        return torch.cat([hidden, torch.full_like(hidden[:, :, :1], float("nan"))], 2)


class DoublePrecision(Encoder):
    def __init__(self) -> None:
        super().__init__()
        self.double()

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return self.linear(signal) + 1e-13 * float(signal.shape[1])  # culprit


class HalfPrecision(Encoder):
    def __init__(self) -> None:
        super().__init__()
        self.to(torch.bfloat16)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return self.linear(signal).sum(1) / float(signal.shape[1])  # culprit


class LongSum(Encoder):
    """Sums that nearly cancel: much noise, and the same noise on both sides."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        steps = torch.arange(1, signal.shape[1] + 1, dtype=signal.dtype)
        return (self.linear(signal) + 1e4).cumsum(1) - 1e4 * steps[None, :, None]


class HalfSound(Encoder):
    def __init__(self) -> None:
        super().__init__()
        self.to(torch.bfloat16)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(self.linear(signal))
        return hidden.cumsum(1) / torch.arange(1, signal.shape[1] + 1, dtype=hidden.dtype)[:, None]


class NanWhereEagerHasIt(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return self.linear(signal).sqrt() / signal.shape[-1]


_LONG = Axis("time", max=64)

SPECIMENS = (
    *(
        Specimen(model, signal(time=_LONG))
        for model in (FaintMean, FaintAdded, FaintLeaf, LargeOffset, BesideFill, BesideNan, NanWhereEagerHasIt, LongSum)
    ),
    Specimen(DoublePrecision, signal(dtype=torch.float64)),
    *(Specimen(model, signal(dtype=torch.bfloat16)) for model in (HalfPrecision, HalfSound)),
)
