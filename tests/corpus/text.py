"""Models over token ids and a mask (batch, sequence)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from pytest_torchscript import Axis

from .base import FEATURES, VOCABULARY, Specimen, text
from .helpers import attention, mask_bias, masked_mean, relative_buckets

SPAN = 6


class TextEncoder(nn.Module):
    """An embedding, a projection and a table of positions that the specimens share."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, FEATURES)
        self.query = nn.Linear(FEATURES, FEATURES)
        self.positions = nn.Embedding(64, FEATURES)

    def attend(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return attention(self.query(hidden), hidden, hidden, mask_bias(mask))


class PositionInt(TextEncoder):
    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        until = int(input_ids.shape[1])  # culprit
        hidden = self.embedding(input_ids) + self.positions.weight[:until]  # culprit
        return self.attend(hidden, attention_mask)


class TriangleInt(TextEncoder):
    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = self.embedding(input_ids)
        length = int(input_ids.shape[-1])  # culprit
        allowed = torch.ones(length, length).tril() > 0  # culprit
        bias = mask_bias(attention_mask).masked_fill(~allowed, torch.finfo(torch.float32).min)
        return attention(self.query(hidden), hidden, hidden, bias)


class CausalFlag(TextEncoder):
    """Traced at length 1, it forgets to be causal; traced longer, the mask of one position changes nothing."""

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        hidden = self.embedding(input_ids)
        is_causal = bool(input_ids.shape[1] > 1)  # culprit
        return attention(self.query(hidden), hidden, hidden, self.triangle(hidden) if is_causal else None)  # culprit

    def triangle(self, hidden: torch.Tensor) -> torch.Tensor:
        scores = torch.zeros_like(hidden @ hidden.transpose(1, 2))
        at = torch.arange(hidden.shape[1])
        return scores.masked_fill(at[None, :] > at[:, None], float("-inf"))


class LengthScale(TextEncoder):
    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        length = input_ids.shape[1]
        scale = math.log(length, 16) if length > 16 else 1.0  # culprit
        hidden = self.embedding(input_ids)
        scores = scale * self.query(hidden) @ hidden.transpose(1, 2) + mask_bias(attention_mask)  # culprit
        return scores.softmax(-1) @ hidden


class RelativeList(TextEncoder):
    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        length = input_ids.shape[1]
        distances = [[abs(row - column) for column in range(length)] for row in range(length)]  # culprit
        hidden = self.embedding(input_ids)
        bias = mask_bias(attention_mask) - 0.5 * torch.tensor(distances)  # culprit
        return attention(self.query(hidden), hidden, hidden, bias)


class LastTokenList(TextEncoder):
    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = self.attend(self.embedding(input_ids), attention_mask)
        return hidden[list(range(len(input_ids))), attention_mask.sum(1) - 1]  # culprit


class ChunkedFeedForward(TextEncoder):
    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = self.attend(self.embedding(input_ids), attention_mask)
        chunks = hidden.chunk(-(-int(input_ids.shape[1]) // 4), dim=1)  # culprit
        return torch.cat([self.query(chunk).tanh() for chunk in chunks], 1)  # culprit


class SparseWhenLong(TextEncoder):
    """Full attention up to its window, banded attention beyond: the window hides the defect."""

    def __init__(self) -> None:
        super().__init__()
        self.block_size, self.blocks = 8, 4

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = self.embedding(input_ids)
        bias = mask_bias(attention_mask)
        if input_ids.size(1) > self.blocks * self.block_size:  # culprit
            far = relative_buckets(input_ids.shape[1], self.block_size)
            bias = bias - 3.0 * ((far == 0) | (far == 2 * self.block_size)).to(hidden.dtype)
        return attention(self.query(hidden), hidden, hidden, bias)


class PoolingSquareRoot(TextEncoder):
    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> dict[str, Any]:
        hidden = self.attend(self.embedding(input_ids), attention_mask)
        pooled = (hidden * attention_mask[..., None]).sum(1) / input_ids.size(1) ** 0.5
        counted = (hidden * attention_mask[..., None]).sum(1) / math.sqrt(input_ids.numel())  # culprit
        return {"last_hidden_state": hidden, "past": None, "pooler_output": (pooled, counted)}


class MaskedAttention(TextEncoder):
    """Positions as tensors, the mask as an additive bias: how it should be done."""

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        assert input_ids.shape == attention_mask.shape
        at = torch.arange(input_ids.shape[1])
        return self.attend(self.embedding(input_ids) + self.positions(at), attention_mask)


class SlicedBuffer(TextEncoder):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("position_ids", torch.arange(64)[None], persistent=False)
        self.register_buffer("triangle", torch.ones(64, 64, dtype=torch.bool).tril(), persistent=False)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        length = input_ids.size(1)
        hidden = self.embedding(input_ids) + self.positions(self.position_ids[:, :length])
        bias = mask_bias(attention_mask)
        bias = torch.where(self.triangle[:length, :length], bias, torch.tensor(torch.finfo(bias.dtype).min))
        return attention(self.query(hidden), hidden, hidden, bias)


class PositionsFromMask(TextEncoder):
    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        at = (attention_mask.cumsum(1) - 1).clamp(min=0).masked_fill(attention_mask == 0, 1)
        return self.attend(self.embedding(input_ids) + self.positions(at), attention_mask)


class LastToken(TextEncoder):
    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = self.attend(self.embedding(input_ids), attention_mask)
        return hidden[torch.arange(input_ids.shape[0]), attention_mask.sum(1) - 1]


class Relative(TextEncoder):
    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Embedding(2 * SPAN + 1, 1)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = self.embedding(input_ids)
        near = self.bias(relative_buckets(input_ids.shape[1], SPAN)).squeeze(-1)
        return attention(self.query(hidden), hidden, hidden, near + mask_bias(attention_mask))


class Heads(TextEncoder):
    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        batch, length = input_ids.size()
        hidden = self.embedding(input_ids)
        split = hidden.view(batch, length, 2, FEATURES // 2).permute(0, 2, 1, 3)
        joined = attention(split, split, split, mask_bias(attention_mask)[:, None])
        return self.query(joined.permute(0, 2, 1, 3).contiguous().view(batch, length, -1))


class FusedAttention(TextEncoder):
    """Torch's own fused attention where there is one (from 2.0)."""

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = self.embedding(input_ids)
        bias = mask_bias(attention_mask).expand(-1, input_ids.shape[1], -1)
        fused = getattr(functional, "scaled_dot_product_attention", attention)
        return fused(self.query(hidden), hidden, hidden, bias)


class MaskedMean(TextEncoder):
    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        if attention_mask.dim() != 2:
            raise ValueError(f"attention_mask has {attention_mask.dim()} dims")
        return masked_mean(self.query(self.embedding(input_ids)), attention_mask)


_SHORT = {"batch": Axis("batch", max=4), "sequence": Axis("sequence", max=24)}

SPECIMENS = (
    *(
        Specimen(model, text())
        for model in (
            PositionInt,
            TriangleInt,
            LengthScale,
            LastTokenList,
            ChunkedFeedForward,
            SparseWhenLong,
            PoolingSquareRoot,
            MaskedAttention,
            SlicedBuffer,
            PositionsFromMask,
            LastToken,
            Relative,
            Heads,
            FusedAttention,
            MaskedMean,
        )
    ),
    Specimen(RelativeList, text(**_SHORT)),
    Specimen(CausalFlag, text(mask=False), anchor={"batch": 2, "sequence": 1}, label="causal_flag_at_one"),
    Specimen(CausalFlag, text(mask=False)),
)
