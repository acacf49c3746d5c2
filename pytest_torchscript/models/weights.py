"""The weights of a module as they were: for a model that writes to them when it is called, as RWKV does at its first call."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.parameter import is_lazy

#: Bytes of weights up to which copies of them are held for a while.
SPARE = 2 << 30


def bytes_of_weights(module: nn.Module) -> int:
    """Return what a module's parameters take in memory."""
    weights = (weight for weight in module.parameters() if not is_lazy(weight))
    return sum(weight.numel() * weight.element_size() for weight in weights)


class KeptWeights:
    """Copies of a module's parameters. ``kept`` is False where they are too many, hold no values yet, or none at all."""

    def __init__(self, module: nn.Module) -> None:
        weights = [weight for weight in module.parameters() if not is_lazy(weight) and not weight.is_meta]
        self.kept = bool(weights) and bytes_of_weights(module) <= SPARE
        self._weights = [(weight, weight.detach().clone()) for weight in weights] if self.kept else []

    def put_back(self) -> bool:
        """Give every parameter the numbers back that it had; return whether one had others."""
        changed = False
        with torch.no_grad():
            for weight, before in self._weights:
                if not _same(weight.detach(), before):
                    changed = True
                    weight.data = before.clone() if weight.shape != before.shape else weight.data.copy_(before)
        return changed


def _same(now: torch.Tensor, before: torch.Tensor) -> bool:
    if now.shape != before.shape or now.dtype != before.dtype or now.device != before.device:
        return False
    try:
        return torch.equal(now, before) or bool(((now == before) | ((now != now) & (before != before))).all())
    except (RuntimeError, NotImplementedError):  # quantised or sparse ones: they are layers' own affair
        return True
