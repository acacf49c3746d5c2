"""The call of torch at which eager breaks down: the one that raises, or the first that makes something of sound numbers that is
not finite. No trace is made: eager is run once more under watch."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

from pytest_torchscript.common.silence import quiet
from pytest_torchscript.tracing.causes import make_cause
from pytest_torchscript.tracing.frames import Stack, live_stack, model_stack
from pytest_torchscript.tracing.watch import caller_of, name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_torchscript.results import Cause


def raising_call(run: Callable[[], Any]) -> Cause | None:
    """Run something that raises, and return the line and the function of torch that did; None where torch did not."""
    watch = _Watch(stop_at_nonfinite=False)
    with suppress(Exception), quiet(), watch:
        run()
    return watch.found


def first_nonfinite(run: Callable[[], Any]) -> Cause | None:
    """Run something, and return the line of the first call that gives NaN or infinity where all it was given is finite."""
    watch = _Watch(stop_at_nonfinite=True)
    with suppress(Exception), quiet(), watch:
        run()
    return watch.found


class _Watch(TorchFunctionMode):  # type: ignore[misc, unused-ignore]
    """Notes one call: the last that raised, or the first that was not finite."""

    def __init__(self, *, stop_at_nonfinite: bool) -> None:
        super().__init__()
        self.looks = stop_at_nonfinite
        self.found: Cause | None = None

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        try:
            result = func(*args, **(kwargs or {}))
        except Exception:
            if not self.looks:
                self.found = make_cause(_here(), f"{name_of(func)} raises")
            raise
        if self.looks and self.found is None and _spoilt(result) and not _spoilt((args, kwargs or {})):
            self.found = make_cause(_here(), name_of(func))
        return result


def _here() -> Stack:
    return model_stack(live_stack(caller_of(sys._getframe(2))))


def _spoilt(value: Any, depth: int = 3) -> bool:
    """Whether a tensor, or one in a container, holds NaN or infinity; a number that stands for infinity counts too."""
    if isinstance(value, torch.Tensor):
        floats = value.is_floating_point() and not value.is_meta and value.layout == torch.strided
        return floats and not bool(torch.isfinite(value).all())
    if isinstance(value, float):
        return value - value != 0
    if depth and isinstance(value, (tuple, list, dict)):
        return any(_spoilt(item, depth - 1) for item in (value.values() if isinstance(value, dict) else value))
    return False
