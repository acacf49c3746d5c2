"""Models that freeze a value, beside axes that are sound or have a fault of their own: what is the value's must not be
told as the axis's, and what is the axis's must still be found."""

from __future__ import annotations

import torch
from torch.nn.functional import pad

from pytest_torchscript import Axis, TensorSpec

from .base import FEATURES, VOCABULARY, Specimen
from .signal import Encoder
from .text import TextEncoder

FRAMES = 12


class CountBeside(Encoder):
    """How many frames count is a number given beside them."""

    def forward(self, signal: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        return self.linear(signal[:, : int(count)]).mean(1)  # culprit


class CountAndBatch(Encoder):
    """The same, and the mean over the batch divides by the batch of the example."""

    def forward(self, signal: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        hidden = self.linear(signal[:, : int(count)])  # culprit
        return hidden.sum((0, 1)) / float(hidden.shape[0])  # culprit


class CountMasked(Encoder):
    """The count stays a tensor."""

    def forward(self, signal: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        return (self.linear(signal) * (torch.arange(signal.shape[1]) < count)[:, None]).sum(1)


class LongestOfBatch(Encoder):
    """Cuts a batch to its longest row, as packing does."""

    def forward(self, signal: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        longest = int(lengths.max())  # culprit
        kept = torch.arange(longest) < lengths[:, None]  # culprit
        return self.linear(signal[:, :longest]) * kept[..., None]  # culprit


class Repeated(TextEncoder):
    """Repeats every token for as long as it is to be spoken, row by row, and pads the rows to the longest."""

    def forward(self, input_ids: torch.Tensor, durations: torch.Tensor) -> torch.Tensor:
        hidden = self.query(self.embedding(input_ids))
        rows = [torch.repeat_interleave(row, times, dim=0) for row, times in zip(hidden, durations)]  # culprit
        longest = max(row.shape[0] for row in rows)  # culprit
        return torch.stack([pad(row, (0, 0, 0, longest - row.shape[0])) for row in rows])  # culprit


class Loudness(Encoder):
    """Divides by the loudest sample of its example."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return self.linear(signal) / float(signal.abs().max())  # culprit


_BATCH = Axis("batch", max=6)
_FRAMES = {"signal": TensorSpec(_BATCH, FRAMES, FEATURES), "count": TensorSpec(dtype=torch.int64, low=1, high=FRAMES)}
_TEXT = Axis("sequence", max=20)

SPECIMENS = (
    *(Specimen(model, _FRAMES, held=True) for model in (CountBeside, CountAndBatch, CountMasked)),
    Specimen(
        LongestOfBatch,
        {
            "signal": TensorSpec(_BATCH, FRAMES, FEATURES),
            "lengths": TensorSpec(_BATCH, dtype=torch.int64, low=1, high=FRAMES + 1),
        },
        held=True,
    ),
    Specimen(
        Repeated,
        {
            "input_ids": TensorSpec(_BATCH, _TEXT, dtype=torch.int64, low=0, high=VOCABULARY, role="ids"),
            "durations": TensorSpec(_BATCH, _TEXT, dtype=torch.int64, low=1, high=6),
        },
        held=True,
    ),
    Specimen(Loudness, {"signal": TensorSpec(_BATCH, Axis("time", max=24), FEATURES)}, held=True),
)
