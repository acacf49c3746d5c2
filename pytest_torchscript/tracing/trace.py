"""Trace one example, and keep what the tracer said about it."""

from __future__ import annotations

import copy
import sys
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pytest_torchscript.tracing.frames import live_stack, model_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

# torch's stubs know neither.
_TRACE: Any = torch.jit.trace
_TracerWarning: Any = torch.jit.TracerWarning  # type: ignore[attr-defined]


@dataclass(frozen=True)
class WarnedLine:
    """A TracerWarning: the line of the model's code it is about, and its text. ``line`` 0: not known."""

    file: str
    line: int
    text: str
    function: str = ""


@dataclass(frozen=True)
class Trace:
    """A traced module with the warnings of its making. ``origin`` and ``example`` let the same trace be made again;
    ``derived`` holds what was worked out from it, once."""

    module: Any
    warnings: tuple[WarnedLine, ...] = ()
    origin: nn.Module | None = field(default=None, repr=False, compare=False)
    example: tuple[torch.Tensor, ...] = field(default=(), repr=False, compare=False)
    derived: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)


def trace_module(module: nn.Module, example: tuple[torch.Tensor, ...]) -> Trace:
    """Trace `module` on clones of `example`, without gradients and without torch's own second look.

    A copy of the module is traced that shares its parameters: what the forward pass keeps on the module (a cache, a
    counter) starts afresh in every trace and never reaches the module given. What torch raises comes through unchanged.
    """
    with quiet_tracer() as warned:
        traced = run_tracer(isolated(module), example)
    return Trace(traced, tuple(warned), module, example)


def run_tracer(module: Any, example: tuple[torch.Tensor, ...]) -> Any:
    """Call torch's tracer as every part of this package does."""
    with torch.no_grad():
        return _TRACE(module, tuple(tensor.clone() for tensor in example), check_trace=False, strict=False)


@contextmanager
def quiet_tracer() -> Iterator[list[WarnedLine]]:
    """Collect TracerWarnings instead of showing them. Other warnings go nowhere: torch's own notice that TorchScript is
    deprecated, what arises only because sizes are tensors under the tracer, and what the eager run says itself."""
    warned: list[WarnedLine] = []
    show = warnings.showwarning

    def record(message: Any, category: type[Warning], *_rest: Any, **_named: Any) -> None:
        if issubclass(category, _TracerWarning):
            line = _warned_line(str(message))
            if line not in warned:
                warned.append(line)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", category=_TracerWarning)
        warnings.showwarning = record
        try:
            yield warned
        finally:
            warnings.showwarning = show


def _warned_line(text: str) -> WarnedLine:
    stack = model_stack(live_stack(sys._getframe(2)))
    return WarnedLine(stack[0].file, stack[0].line, text, stack[0].function) if stack else WarnedLine("", 0, text)


def isolated(module: nn.Module) -> nn.Module:
    """Copy a module's structure and buffers but share its parameters; where that fails, return it itself."""
    memo: dict[int, Any] = {id(parameter): parameter for parameter in module.parameters()}
    for part in module.modules():
        # Tensors computed from parameters (the weight of an old-style weight norm) refuse to be copied.
        computed = (value for value in vars(part).values() if isinstance(value, torch.Tensor) and not value.is_leaf)
        memo.update((id(value), value) for value in computed)
    try:
        return copy.deepcopy(module, memo)
    except Exception:  # whatever a module holds: locks, handles, handwritten __deepcopy__
        return module
