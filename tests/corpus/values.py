"""Models whose path depends on values: right at every size, wrong for another mask, token or magnitude."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from pytest_torchscript import Axis, TensorSpec

from .base import FEATURES, VOCABULARY, Specimen, signal, text
from .helpers import masked_mean
from .signal import Encoder
from .text import TextEncoder


class AllMaskSkip(TextEncoder):
    """Without padding it takes another pooling, and not the same one faster."""

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = self.query(self.embedding(input_ids))
        if attention_mask.all():  # culprit
            return hidden.amax(1)
        return masked_mean(hidden, attention_mask)


class AnyPadToken(TextEncoder):
    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = self.query(self.embedding(input_ids))
        if (attention_mask[:, 0] == 0).any():  # culprit
            hidden = hidden.flip(1)
        return self.attend(hidden, attention_mask)


class LongestItem(TextEncoder):
    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        longest = attention_mask.sum(1).max().item()  # culprit
        weight = torch.ones_like(attention_mask).cumsum(1) <= longest  # culprit
        hidden = self.attend(self.embedding(input_ids), attention_mask)
        return (hidden * weight[..., None]).sum(1)


class ChosenExperts(TextEncoder):
    """Runs the experts that some token chose; the others never reach the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(FEATURES, FEATURES) for _ in range(VOCABULARY // 2))

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        hidden, output = self.embedding(input_ids), torch.zeros(*input_ids.shape, FEATURES)
        chosen = input_ids % len(self.experts)
        for expert in chosen.unique().tolist():  # culprit
            weight = (chosen == expert)[..., None].to(hidden.dtype)  # culprit
            output = output + weight * self.experts[expert](hidden)  # culprit
        return output


class NonzeroLoop(TextEncoder):
    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = self.embedding(input_ids)
        total = torch.zeros_like(hidden[0, 0])
        for column in attention_mask[0].nonzero()[:, 0].tolist():  # culprit
            total = total + hidden[:, column].sum(0)  # culprit
        return total


class LoudBranch(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        hidden = self.linear(signal)
        if signal.abs().max() > 50:  # culprit
            hidden = hidden / 2
        return hidden


class SilenceBranch(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        if not signal.any():  # culprit
            return torch.ones_like(signal)
        return self.linear(signal)


class SignBranch(Encoder):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        hidden = self.linear(signal)
        return hidden.relu() if bool((signal >= 0).all()) else hidden  # culprit


class RepeatedToken(TextEncoder):
    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        hidden = self.query(self.embedding(input_ids))
        if torch.equal(input_ids, input_ids[:, :1].expand_as(input_ids)):  # culprit
            return hidden[:, 0].relu()
        return hidden.mean(1)


class NumpyStatistic(Encoder):
    """Bakes a statistic of the traced input: wrong for every other input."""

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        level = float(signal.detach().numpy().std())  # culprit
        return self.linear(signal) * level  # culprit


class MaxToken(TextEncoder):
    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        hidden = self.embedding(input_ids)
        if int(input_ids.max()) >= VOCABULARY:
            raise ValueError("a token lies outside the vocabulary")
        return self.query(hidden).cumsum(1)


class HarmlessAllMask(TextEncoder):
    """The shortcut for a full mask gives what the long way gives, and the trace took the long way."""

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = self.query(self.embedding(input_ids)).round()
        if attention_mask.all():
            return hidden.sum(1)
        return (hidden * attention_mask[..., None]).sum(1)


class NonzeroGather(TextEncoder):
    """``nonzero`` stays in the graph; its length moves with the values."""

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = self.query(self.embedding(input_ids))
        kept = attention_mask.flatten().nonzero().squeeze(1)
        flat = hidden.view(-1, FEATURES)
        return torch.zeros_like(flat).index_copy(0, kept, flat[kept]).view_as(hidden)


class AllExperts(TextEncoder):
    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(FEATURES, FEATURES) for _ in range(3))
        self.router = nn.Linear(FEATURES, 3)

    def forward(self, input_ids: torch.Tensor) -> dict[str, Any]:
        hidden = self.embedding(input_ids)
        chosen = self.router(hidden).argmax(-1)
        output = torch.zeros_like(hidden)
        for number, expert in enumerate(self.experts):
            output = output + expert(hidden) * (chosen == number)[..., None]
        return {"output": output, "chosen": chosen}


_TWO = {"sequence": Axis("sequence", min=4, max=32)}

SPECIMENS = (
    *(
        Specimen(model, text(**_TWO))
        for model in (AllMaskSkip, AnyPadToken, LongestItem, NonzeroLoop, HarmlessAllMask, NonzeroGather)
    ),
    *(Specimen(model, text(**_TWO, mask=False)) for model in (ChosenExperts, RepeatedToken, MaxToken, AllExperts)),
    *(Specimen(model, signal(time=Axis("time", min=2, max=48))) for model in (SilenceBranch, SignBranch)),
    Specimen(LoudBranch, signal()),
    Specimen(NumpyStatistic, signal(time=Axis("time", min=2, max=24))),
    Specimen(
        SignBranch,
        {"signal": TensorSpec(Axis("batch", max=6), Axis("time", max=48), FEATURES, low=0.0, high=1.0)},
        label="sign_branch_never_taken",
    ),
)
