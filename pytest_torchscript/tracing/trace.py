"""Trace one example, and keep what the tracer said about it."""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pytest_torchscript.common import jit
from pytest_torchscript.common.copying import copy_module
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.tracing.frames import Frame, live_stack, model_stack
from pytest_torchscript.versions import library_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@dataclass(frozen=True)
class WarnedLine:
    """A TracerWarning: the line of the model's code it is about, and its text. ``line`` 0: not known."""

    file: str
    line: int
    text: str
    function: str = ""


@dataclass(frozen=True)
class Trace:
    """What the tracer recorded of a module: the graph, inlined, the weights by their paths, and what it warned of.

    ``fresh`` makes a copy of what was traced; with the ``example`` the same trace can be made again. ``derived`` holds what was
    worked out from it, once.
    """

    graph: Any
    weights: Mapping[str, torch.Tensor] = field(default_factory=dict, repr=False, compare=False)
    warnings: tuple[WarnedLine, ...] = ()
    fresh: Callable[[], nn.Module] | None = field(default=None, repr=False, compare=False)
    example: tuple[torch.Tensor, ...] = field(default=(), repr=False, compare=False)
    derived: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)


def trace_module(module: nn.Module, example: tuple[torch.Tensor, ...]) -> Trace:
    """Record the trace of `module` on clones of `example`, without gradients.

    A copy of the module is traced that shares its weights: what the forward pass keeps on the module (a cache, a
    counter) starts afresh in every trace and never reaches the module given. What torch raises comes through unchanged.
    """
    return trace_copy(partial(copy_module, module), example)


def trace_copy(
    fresh: Callable[[], nn.Module], example: tuple[torch.Tensor, ...], made: nn.Module | None = None
) -> Trace:
    """Record the trace of what `fresh` makes, as `trace_module` does; of one that was `made` already, and is used up."""
    with warned_lines() as warned:
        try:
            graph, weights = jit.record(fresh() if made is None else made, example)
        except Exception:
            # torch refuses a part, or the model needs the thread it was called in, as one that sets handlers of signals.
            warned.clear()
            graph, weights = whole_trace(fresh(), example)
    return Trace(graph, weights, tuple(warned), fresh, example)


def repeating(trace: Trace) -> Trace:
    """Return a trace that is taken for its own repetition: it is known that making it again would show nothing."""
    trace.derived["again"] = trace
    return trace


def again_like(trace: Trace) -> Trace:
    """Return a second trace of what a trace was made of, made once; the trace itself where that cannot be had."""
    if "again" not in trace.derived:
        trace.derived["again"] = trace
        if trace.fresh is not None:
            with suppress(Exception):
                trace.derived["again"] = trace_copy(trace.fresh, trace.example)
    return trace.derived["again"]  # type: ignore[no-any-return]


def whole_trace(module: nn.Module, example: tuple[torch.Tensor, ...]) -> tuple[Any, dict[str, torch.Tensor]]:
    """Return what `jit.record` returns, by way of torch.jit.trace: scripted parts are taken, and what it raises is what users
    see. The module itself is the first input of the graph."""
    traced = jit.trace(module, example)
    return traced.inlined_graph, dict((*traced.named_parameters(), *traced.named_buffers()))


@contextmanager
def warned_lines() -> Iterator[list[WarnedLine]]:
    """Collect TracerWarnings instead of showing them. Other warnings go nowhere: torch's own notice that TorchScript is
    deprecated, what arises only because sizes are tensors under the tracer, and what the eager run says itself."""
    warned: list[WarnedLine] = []

    def take(text: str) -> None:
        stack = model_stack(live_stack(sys._getframe(1)))
        first = stack[0] if stack else Frame("", 0, "")
        line = WarnedLine(first.file, first.line, text, first.function)
        if line not in warned:
            warned.append(line)

    category = library_name("torch.jit", "TracerWarning", used_for="what the tracer says")
    with quiet(told=take, category=category):
        yield warned
