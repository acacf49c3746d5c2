"""Code that specimens borrow: what freezes a size need not stand in the file of the model."""

from __future__ import annotations

import math

import torch


def mean_over_time(values: torch.Tensor) -> torch.Tensor:
    """Return the mean over dim 1, with the length read as a Python number."""
    length = int(values.shape[1])  # culprit: borrowed_mean
    return values.sum(1) / length  # culprit: borrowed_mean


def attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Return softmax attention over dim -2; ``bias`` is added to the scores."""
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    if bias is not None:
        scores = scores + bias
    return scores.softmax(-1) @ value


def mask_bias(mask: torch.Tensor) -> torch.Tensor:
    """Return 0 where the mask is one and the lowest float where it is zero, shaped (batch, 1, length)."""
    return (1.0 - mask[:, None, :].to(torch.float32)) * torch.finfo(torch.float32).min


def masked_mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean over the positions that the mask keeps."""
    weight = mask[:, :, None].to(values.dtype)
    return (values * weight).sum(1) / weight.sum(1)


def relative_buckets(length: torch.Tensor | int, span: int) -> torch.Tensor:
    """Return the distances between positions, cut at ``span``, as non-negative integers."""
    positions = torch.arange(length)
    return (positions[None, :] - positions[:, None]).clamp(-span, span) + span
