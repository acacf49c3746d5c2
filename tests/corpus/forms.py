"""Inputs that are nested or no tensors, and outputs that torch.jit.trace refuses: sound ones, and some with a size frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from pytest_torchscript import Axis, TensorSpec

from .base import FEATURES, Specimen, signal
from .signal import Encoder

_BATCH, _TIME = Axis("batch", max=5), Axis("time", max=24)
_STATE = TensorSpec(1, _BATCH, FEATURES)


class StatePair(nn.Module):
    """A pair of states goes in and comes out."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTM(FEATURES, FEATURES)

    def forward(self, signal: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor]) -> Any:
        return self.cell(signal, state)


class StatePairMean(StatePair):
    def forward(self, signal: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor]) -> Any:
        output, state = self.cell(signal, state)
        return output.sum(0) / float(output.shape[0]), state  # culprit


class FieldsByName(Encoder):
    def forward(self, fields: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"hidden": self.linear(fields["signal"]) * fields["weight"]}


class FieldsRowByRow(Encoder):
    def forward(self, fields: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        rows = [self.linear(row) * weight for row, weight in zip(fields["signal"], fields["weight"])]  # culprit
        return {"hidden": torch.stack(rows)}  # culprit


class ListOfParts(Encoder):
    """How many parts there are belongs to the trace; how long each is does not."""

    def forward(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.cat([self.linear(part) for part in parts])


class Switch(Encoder):
    """Constants beside the signal."""

    def forward(self, signal: torch.Tensor, flip: bool = False, scale: float = 1.0) -> torch.Tensor:
        hidden = self.linear(signal) * scale
        return hidden.flip(1) if flip else hidden


class AtMost(Encoder):
    """A constant bounds a size, in Python."""

    def forward(self, signal: torch.Tensor, most: int = 0) -> torch.Tensor:
        count = min(int(signal.shape[1]), most)  # culprit
        return self.linear(signal)[:, :most].sum(1) / count  # culprit


class NoneAndText(Encoder):
    def forward(self, signal: torch.Tensor) -> dict[str, Any]:
        return {"hidden": self.linear(signal), "loss": None, "unit": "decibel"}


class SizeOut(Encoder):
    """A size comes out beside the answer, and moves with the batch."""

    def forward(self, signal: torch.Tensor) -> tuple[torch.Tensor, Any]:
        return self.linear(signal), signal.shape[0]


class CountOut(Encoder):
    """The same size as a number of Python's."""

    def forward(self, signal: torch.Tensor) -> tuple[torch.Tensor, int]:
        return self.linear(signal), int(signal.shape[0])  # culprit


class ListOfDicts(Encoder):
    def forward(self, signal: torch.Tensor) -> dict[str, Any]:
        hidden = self.linear(signal)
        return {"last": hidden, "others": [{"hidden": hidden.relu()}, {"hidden": hidden.tanh(), "note": None}]}


class Unlike(Encoder):
    """A list of lists of unlike things, the last of them divided by the length of the example."""

    def forward(self, signal: torch.Tensor) -> list[Any]:
        hidden = self.linear(signal)
        return [[hidden, [hidden.amax(1)]], hidden.sum(1) / float(signal.shape[1])]  # culprit


class FoundRows(Encoder):
    """How many rows come out depends on the values, on both sides alike."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        hidden = self.linear(signal).flatten(0, 1)
        return hidden[hidden[:, 0] > 0]


_SIGNAL = signal(batch=_BATCH, time=_TIME)
_PAIR = {"signal": TensorSpec(_TIME, _BATCH, FEATURES), "state": (_STATE, _STATE)}
_FIELDS = {"fields": {"signal": TensorSpec(_BATCH, FEATURES), "weight": TensorSpec(_BATCH, 1)}}
_PARTS = {"parts": [TensorSpec(_BATCH, FEATURES), TensorSpec(Axis("time", max=12), FEATURES)]}

SPECIMENS = (
    Specimen(StatePair, _PAIR),
    Specimen(StatePairMean, _PAIR),
    Specimen(FieldsByName, _FIELDS),
    Specimen(FieldsRowByRow, _FIELDS),
    Specimen(ListOfParts, _PARTS),
    Specimen(Switch, {**_SIGNAL, "flip": True, "scale": 0.5}),
    Specimen(AtMost, {**_SIGNAL, "most": 9}),
    *(Specimen(model, _SIGNAL) for model in (NoneAndText, SizeOut, CountOut, ListOfDicts, Unlike, FoundRows)),
)
