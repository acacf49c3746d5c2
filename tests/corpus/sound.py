"""Sound models over (batch, time, features) that look suspicious: they warn, branch or loop, and are right."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from pytest_torchscript import Axis

from .base import FEATURES, Specimen, signal
from .signal import Encoder, WindowCrop


class TensorMean(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return self.linear(signal).sum(1) / signal.shape[1]


class ContiguousBranch(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        hidden = self.linear(signal).transpose(1, 2)
        if not hidden.is_contiguous():
            hidden = hidden.contiguous()
        if signal.shape[1] > 3:
            hidden = hidden.contiguous()
        return hidden.view(signal.shape[0], -1)


class ConfiguredInt(Encoder):
    def __init__(self) -> None:
        super().__init__()
        self.width, self.layers = 2.0, 3

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        hidden = signal
        for _ in range(int(self.layers)):
            hidden = torch.tanh(self.linear(hidden)) * float(self.width)
        return hidden.view(hidden.shape[0], hidden.shape[1], int(self.width), -1).amax(2)


class ManyWarnings(Encoder):
    """Twenty-eight times the tracer warns, and every time the answer is the same."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        hidden = self.linear(signal)
        for layer in range(14):
            assert hidden.shape[0] == signal.shape[0]
            if hidden.shape[1] < signal.shape[1]:
                raise ValueError(f"layer {layer} lost a step")
            hidden = torch.tanh(self.linear(hidden))
        return hidden


class FeatureLoop(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        columns = [signal[..., column].cumsum(1) * column for column in range(signal.shape[-1])]
        return self.linear(torch.stack(columns, -1))


class PositiveBranch(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        if signal.shape[1] > 0 and len(signal) >= 1:
            return self.linear(signal).flip(1)
        return signal


class Einsum(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        hidden = self.linear(signal)
        scores = torch.einsum("btf,bsf->bts", hidden, signal) / int(signal.shape[-1]) ** 0.5
        return torch.einsum("bts,bsf->btf", scores.softmax(-1), hidden)


class RunningMean(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        steps = torch.arange(1, signal.shape[1] + 1)
        return self.linear(signal).cumsum(1) / steps[None, :, None]


class RollHalf(Encoder):
    """The shift is a number of the model, not of the input."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        hidden = self.linear(signal)
        return torch.roll(hidden, shifts=(1, FEATURES // 2), dims=(1, 2)) - hidden


class PaddedConvolution(Encoder):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(FEATURES, FEATURES, 5)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        padded = functional.pad(self.linear(signal).transpose(1, 2), (4, 0))
        return self.convolution(padded)[..., : signal.shape[1]].transpose(1, 2)


class NewZeros(Encoder):
    def forward(self, signal: torch.Tensor) -> tuple[torch.Tensor, ...]:
        batch, time, _ = signal.shape
        start = signal.new_zeros((batch, 1, FEATURES))
        ones = torch.ones(batch, time, dtype=signal.dtype)
        return torch.cat([start, self.linear(signal)], 1), ones.sum(1), torch.full((time,), 3)


class WhereCausal(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        at = torch.arange(signal.shape[1])
        hidden = self.linear(signal)
        scores = hidden @ signal.transpose(1, 2)
        scores = torch.where(at[None, :] <= at[:, None], scores, torch.full_like(scores, -1e9))
        return scores.softmax(-1) @ hidden


class SliceClamp(Encoder):
    """``min`` takes a branch and bakes 4, but a slice past the end is the whole of it."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return self.linear(signal)[:, : min(signal.shape[1], 4)].amax(1)


class WindowPadTensor(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        batch, time, features = signal.shape
        missing = (8 - time % 8) % 8
        hidden = functional.pad(self.linear(signal), (0, 0, 0, missing)).view(batch, -1, 8, features)
        return hidden.cumsum(2).reshape(batch, -1, features)[:, :time]


class Recurrent(Encoder):
    def __init__(self) -> None:
        super().__init__()
        self.recurrent = nn.GRU(FEATURES, FEATURES, batch_first=True)

    def forward(self, signal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.recurrent(self.linear(signal))


class Spectrum(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        spectrum = torch.fft.rfft(self.linear(signal), dim=1)
        return spectrum.abs().mean(1)


class ConstantPool(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        pooled = functional.adaptive_avg_pool1d(self.linear(signal).transpose(1, 2), 4)
        return pooled.flatten(1)


class InplaceWriter(Encoder):
    """Writes to the tensor it was given."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        signal.mul_(2.0)
        signal[:, 0] += 1.0
        return self.linear(signal)


class SeededNoise(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return self.linear(signal + 0.5 * torch.randn_like(signal))


class TiedArgmax(Encoder):
    """Its scores are whole numbers and tie often; eager and trace break ties alike. No sum stands before the rounding."""

    def forward(self, signal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores = (2 * signal).round()
        return self.linear(scores), scores.argmax(1)


class Structures(Encoder):
    def forward(self, signal: torch.Tensor) -> dict[str, Any]:
        hidden = self.linear(signal)
        lengths = torch.full((signal.shape[0],), signal.shape[1])
        return {"hidden": hidden, "none": None, "inner": (hidden.amax(1), [hidden.argmin(2), lengths], ())}


class HarmlessCounter(Encoder):
    """Counts its calls and answers the same."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self.linear(signal).relu()


class Quarters(Encoder):
    """Eager takes multiples of four only."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        batch, time, features = signal.shape
        return self.linear(signal).view(batch, time // 4, 4 * features)


class ShortTable(Encoder):
    """Eager takes up to 32 steps only."""

    def __init__(self) -> None:
        super().__init__()
        self.positions = nn.Embedding(32, FEATURES)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return self.linear(signal) + self.positions(torch.arange(signal.shape[1]))


class OneSize(Encoder):
    """Eager takes sixteen steps only."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(16, 16)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return self.mix(self.linear(signal).transpose(1, 2))


SPECIMENS = (
    *(
        Specimen(model, signal())
        for model in (
            TensorMean,
            ContiguousBranch,
            ConfiguredInt,
            ManyWarnings,
            FeatureLoop,
            PositiveBranch,
            Einsum,
            RunningMean,
            RollHalf,
            PaddedConvolution,
            NewZeros,
            WhereCausal,
            SliceClamp,
            WindowPadTensor,
            Recurrent,
            Spectrum,
            ConstantPool,
            InplaceWriter,
            SeededNoise,
            TiedArgmax,
            Structures,
            HarmlessCounter,
            ShortTable,
        )
    ),
    Specimen(Quarters, signal(time=Axis("time", max=48, multiple_of=4)), anchor={"time": 12}),
    Specimen(Quarters, signal(), anchor={"time": 12}, label="quarters_undeclared"),
    Specimen(OneSize, signal(time=Axis("time", max=48, typical=16)), anchor={"time": 16}),
    Specimen(WindowCrop, signal(), label="window_crop_at_an_awkward_size"),
)
