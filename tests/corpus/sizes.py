"""What Python does with sizes: it sorts and rounds them, takes the smallest, writes them down, changes them in place."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import pad

from pytest_torchscript import Axis

from .base import Specimen, signal
from .signal import Encoder


class FewerFrames(Encoder):
    """Keeps at most sixteen frames."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        kept = min(signal.shape[1], 16)  # culprit
        return self.linear(signal[:, :kept])


class SortedEnds(Encoder):
    """Which of two ends is the nearer one is decided by sorting them."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        near, far = sorted((signal.shape[1], 13))  # culprit
        return self.linear(signal[:, :near]) * far  # culprit


class LongestPart(Encoder):
    """Parts of unlike length are padded to the longest."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        parts = [self.linear(signal), torch.ones_like(signal[:, :1]).expand(-1, 14, -1)]
        longest = max(part.shape[1] for part in parts)  # culprit
        return torch.cat([pad(part, (0, 0, 0, longest - part.shape[1])) for part in parts], 2)  # culprit


class HalfRoundedUp(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        half = math.ceil(signal.shape[1] / 2)  # culprit
        return self.linear(signal[:, :half])  # culprit


class OddRepeated(Encoder):
    """Halves the rate; an odd frame out is repeated first."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        if signal.shape[1] % 2:  # culprit
            signal = torch.cat([signal, signal[:, -1:]], 1)
        return self.linear(signal).unflatten(1, (-1, 2)).mean(2)


class SizesToList(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        lengths = torch.ones_like(signal[0, :, 0]).cumsum(0)[-1:].long().tolist()  # culprit
        return torch.cat([self.linear(signal[:, :length]) for length in lengths], 1)  # culprit


class SizeAsText(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        name = f"frames_{signal.shape[1]}"  # culprit
        return self.linear(signal) / int(name.rpartition("_")[2])  # culprit


class SizeOfItsOwn(Encoder):
    """A size that is changed in place, under one name."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        kept = signal.shape[1]
        kept -= 2
        shape = list(signal.shape)
        shape[1] *= 2
        shape[2] //= 2
        return self.linear(signal)[:, :kept].sum(1) + signal.reshape(shape)[:, :kept].sum((1, 2))[:, None]


class NumberFirst(Encoder):
    """Sizes stand left of tensors, and are compared with them."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        time = signal.shape[1]
        early = time > 2 * torch.arange(time)
        return (time - self.linear(signal) + time * signal) * early[:, None] / time


SPECIMENS = tuple(
    Specimen(model, signal(time=Axis("time", min=3, max=48)))
    for model in (
        FewerFrames,
        SortedEnds,
        LongestPart,
        HalfRoundedUp,
        OddRepeated,
        SizesToList,
        SizeAsText,
        SizeOfItsOwn,
        NumberFirst,
    )
)
