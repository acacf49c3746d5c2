"""Compare two answers of one artifact to the same row, given alone and among others."""

from __future__ import annotations

import torch


def apart(together: torch.Tensor, alone: torch.Tensor, share: float) -> tuple[float, float] | None:
    """Return difference and allowance of two answers that differ; a share of the largest magnitude is allowed."""
    if together.shape != alone.shape:
        return float("inf"), 0.0
    if not together.is_floating_point():
        return None if torch.equal(together, alone) else (float((together != alone).sum()), 0.0)
    finite = torch.isfinite(alone)
    if not torch.equal(finite, torch.isfinite(together)):
        return float("inf"), 0.0
    if not finite.any():
        return None
    left, right = together[finite].double(), alone[finite].double()
    difference, allowed = float((left - right).abs().max()), share * float(right.abs().max())
    return None if difference <= allowed else (difference, allowed)
