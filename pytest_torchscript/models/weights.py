"""The weights of a module as they were: for a model that writes to them when it is called, as RWKV does at its first call."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import TorchDispatchMode

from pytest_torchscript.common.dispatch import carry_out, is_written, memory_of

#: Bytes of weights up to which copies of them are held for a while. Of more only one copy is held, as a rule.
SPARE = 256 << 20


def bytes_of_weights(module: nn.Module) -> int:
    """Return what a module's parameters take in memory."""
    weights = (weight for weight in module.parameters() if not is_lazy(weight))
    return sum(weight.numel() * weight.element_size() for weight in weights)


def are_many(module: nn.Module) -> bool:
    """Whether a module's parameters are so many that a second copy of them has to fit first."""
    return bytes_of_weights(module) > SPARE


class KeptWeights:
    """A module's parameters as they are now. ``kept`` is False where they hold no values yet, or there are none.

    Few of them are copied. Of many each is copied when it is written to: by what is called while `watching`, and by torch's own
    operations; what numpy writes is not seen.
    """

    def __init__(self, module: nn.Module) -> None:
        weights = [weight for weight in module.parameters() if not is_lazy(weight) and not weight.is_meta]
        self.kept = bool(weights)
        self._watch = _BeforeTheyAreWritten() if are_many(module) else None
        self._weights = [(weight, weight.detach() if self._watch else weight.detach().clone()) for weight in weights]

    def watching(self) -> AbstractContextManager[Any]:
        """Enter around what may write to the weights."""
        if self._watch is None:
            return nullcontext()
        places = ((memory_of(before), before) for _, before in self._weights)
        self._watch.waiting = {place: before for place, before in places if place not in self._watch.copied}
        return self._watch

    def put_back(self) -> bool:
        """Give every parameter the numbers back that it had; return whether one had others."""
        copied = self._watch.copied if self._watch is not None else {}
        changed = False
        with torch.no_grad():
            for weight, before in self._weights:
                right = copied.get(memory_of(before), before)
                if not _same(weight.detach(), right):
                    changed = True
                    weight.data = right.clone() if weight.shape != right.shape else weight.data.copy_(right)
        return changed


class _BeforeTheyAreWritten(TorchDispatchMode):
    """Copies a tensor of those that are ``waiting``, by their memory, when an operation is about to write to it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self.waiting: dict[int, torch.Tensor] = {}
        self.copied: dict[int, torch.Tensor] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for argument, value in zip(func._schema.arguments, args):
            if is_written(argument):
                for written in value if isinstance(value, (list, tuple)) else [value]:
                    before = self.waiting.pop(memory_of(written), None) if self.waiting else None
                    if before is not None:
                        self.copied[memory_of(before)] = before.clone()
        return carry_out(func, args, kwargs or {})


def _same(now: torch.Tensor, before: torch.Tensor) -> bool:
    if now.shape != before.shape or now.dtype != before.dtype or now.device != before.device:
        return False
    try:
        if now.data_ptr() == before.data_ptr():
            return True
        return torch.equal(now, before) or bool(((now == before) | ((now != now) & (before != before))).all())
    except (RuntimeError, NotImplementedError):  # quantised or sparse ones: they are layers' own affair
        return True
