"""Models that keep something between calls: a fresh one is traced right, and one that was called before is not; or each
call answers otherwise than the one before; or what is kept does no harm."""

from __future__ import annotations

import torch

from pytest_torchscript import Axis

from .base import FEATURES, Specimen, signal
from .signal import Encoder


class LazyTable(Encoder):
    """Builds its table at the first call and keeps it while it is long enough: a fresh trace builds its own."""

    def __init__(self) -> None:
        super().__init__()
        self.table: torch.Tensor | None = None

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        time = signal.shape[1]
        if self.table is None or len(self.table) < time:
            self.table = torch.arange(time, dtype=torch.float32).sin()  # culprit
        return self.linear(signal) + self.table[:time, None]


class TablesBySize(Encoder):
    """Keeps a table for every length it has met."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[int, torch.Tensor] = {}

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        time = signal.shape[1]
        if int(time) not in self.tables:
            self.tables[int(time)] = torch.arange(time, dtype=torch.float32).cos()  # culprit
        return self.linear(signal) + self.tables[int(time)][:, None]


class GrowingBuffer(Encoder):
    """Replaces a buffer by a longer one where a signal is longer than all before."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("steps", torch.zeros(0), persistent=False)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        longer = torch.arange(signal.shape[1], dtype=torch.float32)
        if self.steps.shape[0] == 0 or signal.shape[1] > self.steps.shape[0]:
            self.steps = longer  # culprit
        return self.linear(signal) * self.steps[: signal.shape[1], None]


class FitsItself(Encoder):
    """Fits its scale to the first signal and keeps it: the next call answers otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.fitted = False
        self.scale = torch.ones(())

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        if not self.fitted:
            self.scale = 1 / (1 + signal.abs().mean())
            self.fitted = True  # culprit
            return self.linear(signal) * self.scale
        return self.linear(signal) / (1 + self.scale)


class RunningLevel(Encoder):
    """Replaces a buffer in every call by an average of what it has heard."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("level", torch.zeros(()))

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        self.level = 0.5 * self.level + 0.5 * signal.mean()  # culprit
        return self.linear(signal) - self.level


class CarriesOver(Encoder):
    """Goes on from the last step of the call before, where the batch has the same size."""

    def __init__(self) -> None:
        super().__init__()
        self.last: torch.Tensor | None = None

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        hidden = self.linear(signal)
        if self.last is not None and self.last.shape[0] == hidden.shape[0]:
            hidden = hidden + self.last[:, None]
        self.last = hidden[:, -1]  # culprit
        return hidden


class StaysLoud(Encoder):
    """One long signal switches a limiter on for good."""

    def __init__(self) -> None:
        super().__init__()
        self.limited = False

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        if signal.shape[1] > 20:  # culprit
            self.limited = True  # culprit
        hidden = self.linear(signal)
        return hidden.clamp(-0.5, 0.5) if self.limited else hidden  # culprit


class SwappedData(Encoder):
    """The memory of one tensor is swapped for another's, unseen by the tracer: wrong for the example itself."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        hidden = self.linear(signal)
        output = torch.zeros_like(hidden)
        output.data = hidden.sigmoid()  # culprit
        return output


class WholeTable(Encoder):
    """Builds one table of a fixed length at the first call: kept or new, it is the same."""

    def __init__(self) -> None:
        super().__init__()
        self.table: torch.Tensor | None = None

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        if self.table is None:
            self.table = torch.arange(64, dtype=torch.float32).sin()
        return self.linear(signal) + self.table[: signal.shape[1], None]


class KeptForShow(Encoder):
    """Keeps what it answered for a person to look at, and never reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[torch.Tensor] = []

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        hidden = self.linear(signal).tanh()
        self.shown = [hidden.detach(), *self.shown[:1]]
        return hidden.cumsum(1)


class FilledInPlace(Encoder):
    """Writes into a buffer of its own before it reads it: the buffer's past is never heard."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("room", torch.zeros(FEATURES))

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        self.room.copy_(signal.amax((0, 1)))
        return self.linear(signal) + self.room


_SIGNAL = signal(batch=Axis("batch", max=4), time=Axis("time", max=28))

SPECIMENS = (
    *(
        Specimen(model, _SIGNAL, asks=("determinism", "history"))
        for model in (LazyTable, TablesBySize, GrowingBuffer, StaysLoud, WholeTable, KeptForShow, FilledInPlace)
    ),
    *(Specimen(model, _SIGNAL, asks=("determinism",)) for model in (FitsItself, RunningLevel, CarriesOver)),
    Specimen(SwappedData, _SIGNAL, asks=("outputs",)),
)
