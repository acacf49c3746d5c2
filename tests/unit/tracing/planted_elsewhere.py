"""Code that the planted models call: a helper in another file."""

from __future__ import annotations

import torch


def mean_over_time(x: torch.Tensor) -> torch.Tensor:
    return x.sum(1) / float(x.shape[1])  # frozen: helper_elsewhere


def scaled(x: torch.Tensor, length: int) -> torch.Tensor:
    return x / length  # frozen: length_passed_on


def causal(x: torch.Tensor, is_causal: bool) -> torch.Tensor:
    if is_causal:  # frozen: decision_passed_on
        x = x.cumsum(1)
    return x
