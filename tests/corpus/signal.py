"""Broken models over (batch, time, features): each reads a size, or branches on one, where the tracer cannot follow."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from pytest_torchscript import Axis

from .base import FEATURES, Specimen, signal
from .helpers import mean_over_time


class Encoder(nn.Module):
    """A linear layer that the specimens share."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(FEATURES, FEATURES)


class FloatMean(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return self.linear(signal).sum(1) / float(signal.shape[1])  # culprit


class BatchLoop(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        rows = []
        for row in range(signal.shape[0]):  # culprit
            rows.append(self.linear(signal[row]))  # culprit
        return torch.stack(rows)


class PositionList(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        steps = torch.tensor(list(range(signal.shape[1])), dtype=signal.dtype)  # culprit
        return self.linear(signal) + steps[None, :, None]  # culprit


class StrideFrames(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        hidden = self.linear(signal)
        batch, time, features = hidden.shape
        row, step, column = hidden.stride()  # culprit
        pairs = hidden.as_strided((batch, time // 2, 2, features), (row, 2 * step, step, column))  # culprit
        return pairs.amax(2)


class LenBatch(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        hidden = self.linear(signal)
        return (hidden - hidden.mean(0, keepdim=True)) / math.sqrt(len(signal))  # culprit


class BatchStatistics(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        share = 1.0 / signal.size(0)
        scale = float(share)  # culprit
        return self.linear(signal) * scale + signal.sum(0, keepdim=True) * scale  # culprit


class CachedTable(Encoder):
    """Makes a table at the first call and keeps it while it is long enough."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, torch.Tensor] = {}

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        time = signal.shape[1]
        if "sine" not in self.tables or len(self.tables["sine"]) < time:
            self.tables["sine"] = torch.sin(torch.arange(int(time), dtype=torch.float32))  # culprit
        return self.linear(signal) + self.tables["sine"][:time, None]  # culprit


class BorrowedMean(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return mean_over_time(self.linear(signal))


class ArangeInt(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        age = torch.arange(int(signal.shape[1]) - 1, -1, -1)  # culprit
        return (self.linear(signal) * (0.9**age)[None, :, None]).cumsum(1)


class ViewBaked(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        width = int(signal.shape[1]) * FEATURES  # culprit
        return self.linear(signal).reshape(signal.shape[0], width).tanh()  # culprit


class ExpandBaked(Encoder):
    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.randn(1, 1, FEATURES))

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        start = self.start.expand(int(signal.shape[0]), 1, FEATURES)  # culprit
        return self.linear(torch.cat([start, signal], 1))


class ExpandAdded(Encoder):
    def __init__(self) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.randn(1, 1, FEATURES))

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        rows = int(signal.shape[0])  # culprit
        return self.linear(signal) + self.offset.expand(rows, 1, FEATURES)  # culprit


class EvenFlip(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        hidden = self.linear(signal)
        if signal.shape[1] % 2 == 0:  # culprit
            hidden = hidden.flip(1)
        return hidden


class Needle(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        hidden = self.linear(signal)
        if signal.shape[1] == 37:  # culprit
            hidden = hidden * 1.5
        return hidden


class WideNeedle(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        hidden = self.linear(signal).mean(1)
        return -hidden if signal.shape[1] == 2741 else hidden  # culprit


class Threshold(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        hidden = self.linear(signal)
        if signal.shape[1] > 64:  # culprit
            hidden = hidden - hidden.mean(1, keepdim=True)
        return hidden


class ConfiguredThreshold(Encoder):
    """The number stands in an attribute, as in a configuration, and not on the line that uses it."""

    def __init__(self) -> None:
        super().__init__()
        self.window = 704

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        hidden = self.linear(signal)
        if int(signal.shape[1]) <= self.window:  # culprit
            return hidden.mean(1)
        return hidden[:, : self.window].mean(1)


class WindowPadInt(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        batch, time, features = signal.shape
        missing = -int(time) % 8  # culprit
        hidden = functional.pad(self.linear(signal), (0, 0, 0, missing))  # culprit
        windows = hidden.view(batch, -1, 8, features)
        return windows.softmax(2).reshape(batch, -1, features)[:, :time]


class WindowCrop(Encoder):
    """Traced at a multiple of its window, it never crops."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        batch, time, features = signal.shape
        missing = (8 - time % 8) % 8
        windows = functional.pad(self.linear(signal), (0, 0, 0, missing)).view(batch, -1, 8, features)
        merged = (windows - windows.mean(2, keepdim=True)).reshape(batch, -1, features)
        if missing > 0:  # culprit
            merged = merged[:, :time]
        return merged


class Recursion(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return self.fold(self.linear(signal))

    def fold(self, hidden: torch.Tensor) -> torch.Tensor:
        if hidden.shape[1] == 1:  # culprit
            return hidden[:, 0]
        half = int(hidden.shape[1]) // 2  # culprit
        return self.fold(hidden[:, :half]) - 0.5 * self.fold(hidden[:, half:])  # culprit


class ZippedChunks(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        state = torch.zeros_like(signal[:, :1])
        for step, other in zip(signal.split(1, dim=1), self.linear(signal).split(1, dim=1)):  # culprit
            state = 0.5 * state + step * other  # culprit
        return state


class Recurrence(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        state, output = torch.zeros_like(signal[:, 0]), torch.zeros_like(signal)
        for step in range(signal.shape[1]):  # culprit
            state = torch.tanh(self.linear(signal[:, step]) + state)  # culprit
            output[:, step] = state  # culprit
        return output


class TableSlice(Encoder):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.randn(64, FEATURES))

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        until = int(signal.size(1))  # culprit
        return self.linear(signal) * self.table[:until]  # culprit


class FewestSteps(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return self.linear(signal)[:, :4].sum(1) / min(signal.shape[1], 4)  # culprit


class NumpyLength(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        ones = torch.ones(signal.shape[:2]).sum(1)
        steps = ones.numpy()  # culprit
        return self.linear(signal).sum(1) / float(steps[0])  # culprit


class ItemLength(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        last = torch.arange(signal.shape[1])[-1].item()  # culprit
        return self.linear(signal) * 0.5**last  # culprit


class DictOutput(Encoder):
    def forward(self, signal: torch.Tensor) -> dict[str, Any]:
        hidden = self.linear(signal)
        pooled = hidden.sum(1) / math.sqrt(signal.shape[1])  # culprit
        return {"hidden": hidden, "nothing": None, "inner": {"pooled": pooled}}


class NestedOutput(Encoder):
    def forward(self, signal: torch.Tensor) -> tuple[Any, ...]:
        hidden = self.linear(signal)
        energy = hidden.pow(2).sum((1, 2)) / float(signal.shape[1])  # culprit
        return hidden, None, (hidden.relu(), [energy, hidden.amax(1)]), ()


class IntegerOutput(Encoder):
    def forward(self, signal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        best = self.linear(signal).argmax(1)
        return best, int(signal.shape[1]) - 1 - best  # culprit


class ExtraShape(Encoder):
    """One leaf has a wrong shape and no wrong value."""

    def forward(self, signal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        bias = torch.zeros(1, int(signal.shape[1]))  # culprit
        return self.linear(signal), bias


class SizeDtype(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        hidden = self.linear(signal)
        return hidden.double() if signal.shape[1] > 20 else hidden  # culprit


class SwitchesForGood(Encoder):
    """A short call makes it stay with its short path, as some block-sparse models do."""

    def __init__(self) -> None:
        super().__init__()
        self.path = "long"

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        if signal.shape[1] < 8:  # culprit
            self.path = "short"
        hidden = self.linear(signal)
        return hidden.cumsum(1) if self.path == "short" else hidden  # culprit


class JointOnly(Encoder):
    """Right while one axis moves and the other stays: only large batches of long signals take the other path."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        hidden = self.linear(signal)
        if signal.shape[0] * signal.shape[1] > 200:  # culprit
            hidden = hidden.softmax(-1)
        return hidden


SPECIMENS = (
    *(
        Specimen(model, signal())
        for model in (
            FloatMean,
            BatchLoop,
            PositionList,
            StrideFrames,
            LenBatch,
            BatchStatistics,
            CachedTable,
            BorrowedMean,
            ArangeInt,
            ViewBaked,
            ExpandBaked,
            ExpandAdded,
            EvenFlip,
            Needle,
            WindowPadInt,
            Recursion,
            ZippedChunks,
            Recurrence,
            TableSlice,
            FewestSteps,
            NumpyLength,
            ItemLength,
            DictOutput,
            NestedOutput,
            IntegerOutput,
            ExtraShape,
            SizeDtype,
            SwitchesForGood,
        )
    ),
    Specimen(JointOnly, signal(), anchor={"batch": 2, "time": 11}),
    Specimen(WideNeedle, signal(batch=Axis("batch", max=3), time=Axis("time", max=4096))),
    Specimen(Threshold, signal(time=Axis("time", max=160))),
    Specimen(ConfiguredThreshold, signal(batch=Axis("batch", max=3), time=Axis("time", max=2048))),
    Specimen(WindowCrop, signal(), anchor={"batch": 2, "time": 16}),
)
