"""The first operation that answers otherwise once something was done to a trace: frozen, optimised, saved and loaded.

What is done to a module whole says nothing about where it goes wrong. Traces of the model's beginning do: each ends with
one call of torch and returns what that call made. They are halved until the first wrong one is found.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from pytest_torchscript.common import jit
from pytest_torchscript.common.copying import copy_module
from pytest_torchscript.common.seeding import seeded
from pytest_torchscript.tracing.causes import make_cause
from pytest_torchscript.tracing.frames import Stack, live_stack, model_stack
from pytest_torchscript.tracing.trace import warned_lines
from pytest_torchscript.tracing.watch import caller_of, name_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_torchscript.results import Cause


def first_operation(module: nn.Module, example: tuple[torch.Tensor, ...], wrong: Callable[[Any], str]) -> Cause | None:
    """Return the line of the first call of torch after which a trace of `module` on `example` is wrong.

    `wrong` gets a traced module that takes `example` and returns a tuple of tensors, and says what is wrong with it, or
    an empty string. Costs a trace for each halving: ten for a thousand calls. None where the whole is not wrong when it
    is made in this way, or cannot be traced. What `wrong` raises passes through.
    """
    right, first = -1, _trace_until(module, example, sys.maxsize)[1].calls - 1
    found: tuple[str, _Counter] | None = None
    number = first
    while number > right:
        traced, counter = _trace_until(module, example, number)
        # A beginning that returns what no trace can is not known to be wrong.
        evidence = wrong(traced) if traced is not None else ""
        if evidence:
            first, found = number, (evidence, counter)
        elif found is None:
            return None
        else:
            right = number
        number = (right + first) // 2
    if found is None:
        return None
    evidence, counter = found
    return make_cause(counter.stack, f"{counter.name}: {evidence}")


def _trace_until(module: nn.Module, example: tuple[torch.Tensor, ...], number: int) -> tuple[Any, _Counter]:
    """Trace a model up to one of its calls; None for a trace where torch or the model raises."""
    beginning = _Beginning(copy_module(module), number)
    with warned_lines(), seeded(0):
        try:
            return jit.trace(beginning, example), beginning.counter
        except Exception:
            return None, beginning.counter


class _Enough(BaseException):
    """The call was made; no model catches this by mistake."""


class _Beginning(nn.Module):
    """A model up to one of its calls of torch, from 0: what that call makes is returned."""

    def __init__(self, module: nn.Module, number: int) -> None:
        super().__init__()
        self.module = module
        self.counter = _Counter(number)
        self.training = module.training

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        counter = self.counter
        counter.floor = sys._getframe()
        try:
            with counter:
                self.module(*tensors)
        except _Enough:
            pass
        return counter.made


class _Counter(TorchFunctionMode):  # type: ignore[misc, unused-ignore]
    """Counts the calls that make tensors with a dimension, which sizes have not, and ends the run at one of them."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.floor: Any = None
        self.calls = 0
        self.made: tuple[torch.Tensor, ...] = ()
        self.name = ""
        self.stack: Stack = ()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        several = result if isinstance(result, (list, tuple)) else (result,)
        made = tuple(item for item in several if isinstance(item, torch.Tensor) and item.dim())
        if not made:
            return result
        self.made = made
        self.calls += 1
        if self.calls > self.number:
            self.name = name_of(func)
            self.stack = model_stack(live_stack(caller_of(sys._getframe(1)), self.floor))
            raise _Enough
        return result
