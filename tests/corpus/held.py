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


class SplitByLengths(Encoder):
    """Cuts the frames into parts by their lengths."""

    def forward(self, signal: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        parts = self.linear(signal).split(lengths.tolist(), dim=1)  # culprit
        return torch.stack([part.sum(1) for part in parts], 1)


class TokenCounts(TextEncoder):
    """Counts tokens in as many places as the largest of them asks for."""

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        places = int(input_ids.max()) + 1  # culprit
        marks = torch.nn.functional.one_hot(input_ids, places)  # culprit
        return marks.sum(1) + self.query(self.embedding(input_ids)).sum((1, 2))[:, None]


class Loudness(Encoder):
    """Divides by the loudest sample of its example."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return self.linear(signal) / float(signal.abs().max())  # culprit


def shares(generator: torch.Generator, shape: tuple[int, ...]) -> torch.Tensor:
    """Return lengths that sum to the number of frames."""
    cuts = torch.randint(0, FRAMES + 1, (shape[0] - 1,), generator=generator).sort().values
    ends = torch.cat([torch.zeros(1, dtype=torch.int64), cuts, torch.tensor([FRAMES])])
    return ends.diff()


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
    Specimen(
        SplitByLengths,
        {
            "signal": TensorSpec(_BATCH, FRAMES, FEATURES),
            "lengths": TensorSpec(3, dtype=torch.int64, fill=shares),
        },
        held=True,
    ),
    Specimen(
        TokenCounts,
        {"input_ids": TensorSpec(_BATCH, _TEXT, dtype=torch.int64, low=0, high=VOCABULARY, role="ids")},
        held=True,
    ),
    Specimen(Loudness, {"signal": TensorSpec(_BATCH, Axis("time", max=24), FEATURES)}, held=True),
)
