"""Make a trace once more under watch, to learn what Python read from tensors on the way and on which line.

Only done for traces that differ. A torch function mode sees every call, also those that leave no node and no warning
(``range(x.shape[0])``, ``x.stride()``). It may steer torch's own modules off their fast path, which is why the graphs
that are compared come from traces made without it.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.overrides import TorchFunctionMode

from pytest_torchscript.common import jit
from pytest_torchscript.common.short_stack import on_short_stack
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.tracing.frames import Stack, live_stack, model_stack
from pytest_torchscript.tracing.misread import Call, call_at, lines_are_off
from pytest_torchscript.tracing.reach import Reach
from pytest_torchscript.tracing.trace import Trace, whole_trace

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


#: Calls that hand all that a tensor holds to numpy: what comes of it there is read by nobody else.
HANDED_TO_NUMPY = frozenset(("numpy", "__array__"))
#: How functions of torch ask whether somebody else carries them out.
_QUESTIONS = ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")
#: Where functions stand whose bodies read sizes of what they are given.
_IN_PYTHON = ("torch.nn.functional", "torch.functional")
_TENSORS = (torch.Tensor, torch.nn.Parameter)


class Read(NamedTuple):
    """Python took a number out of a tensor: how, where (innermost frame of the model's code first), which."""

    name: str
    stack: Stack
    value: Any


@dataclass
class Seen:
    """What a trace under watch showed, in order; ``whole`` where it came to its end."""

    reads: list[Read] = field(default_factory=list)
    reach: Reach = field(default_factory=Reach)
    whole: bool = False
    calls: list[Call] = field(default_factory=list)


class ChangedRead(NamedTuple):
    """A read at one place that gave another value in the other trace."""

    name: str
    stack: Stack
    old: Any
    new: Any


def watch(trace: Trace) -> Seen:
    """Trace again, once, what `trace` was made of; empty where that is not known or fails this time."""
    if "seen" not in trace.derived:
        trace.derived["seen"] = seen = Seen()
        if trace.fresh is not None:
            recorded = (jit.record, Reach(weights=len(trace.example)), on_short_stack)
            whole = (whole_trace, Reach(), _here)
            for way, reach, carried_out in (recorded, whole):
                trace.derived["seen"] = seen = Seen(reach=reach)
                # A model may not bear the watch: what was seen until then still counts.
                with suppress(Exception), quiet():
                    carried_out(partial(_watched, seen, way, trace))
                    seen.whole = True
                    break
    return trace.derived["seen"]  # type: ignore[no-any-return]


def _here(call: Callable[[], None]) -> None:
    call()


def _watched(seen: Seen, way: Callable[..., Any], trace: Trace) -> None:
    assert trace.fresh is not None
    module = trace.fresh()
    with _Watch(seen):
        way(module, trace.example)


class _Watch(TorchFunctionMode):  # type: ignore[misc, unused-ignore]
    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self.seen = seen
        self.parsed: tuple[int, int, int] = (0, 0, 0)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        inside = _without_question(func) if all(kind in _TENSORS for kind in types) else None
        if inside is None:
            result = func(*args, **(kwargs or {}))
        else:
            with self:
                result = inside(*args, **(kwargs or {}))
        value = _plain(result)
        self.seen.reach.add(name_of(func), (args, tuple((kwargs or {}).values())), result)
        caller = caller_of(sys._getframe(1))
        self.forget_parsing(caller, value)
        stack = model_stack(live_stack(caller)) if value is not None else ()
        if stack:  # without one it is this package that reads, around the model
            self.seen.reads.append(Read(name_of(func), stack, value))
        if lines_are_off():
            self.seen.calls.append(call_at(name_of(func), caller))
        return result

    def forget_parsing(self, caller: FrameType, value: Any) -> None:
        """Drop the reads that torch 1.13 makes to parse the arguments of the call that follows: ``x.view(n, 4)`` asks n
        for its index, and yet records where it came from. They come from the same instruction as the call."""
        frame, instruction, reads = self.parsed
        here = (id(caller), caller.f_lasti)
        if (frame, instruction) != here:
            self.parsed = (*here, len(self.seen.reads))
        elif value is None and all(read.name == "__index__" for read in self.seen.reads[reads:]):
            del self.seen.reads[reads:]


@lru_cache(maxsize=1 << 10)
def _without_question(func: Any) -> Any:
    """Return a function of torch's that is written in Python (``F.embedding``) made anew so that it does not ask for modes: its
    body can be watched as the model's code is. None for any other, which shows nothing inside, or asks in another way."""
    asked = [name for name in _QUESTIONS if isinstance(func, FunctionType) and name in func.__code__.co_names]
    if not asked or func.__module__ not in _IN_PYTHON or func.__closure__:
        return None
    names = {**func.__globals__, **dict.fromkeys(asked, lambda *_tensors: False)}
    made = FunctionType(func.__code__, names, func.__name__, func.__defaults__)
    made.__kwdefaults__, made.__module__ = func.__kwdefaults__, func.__module__
    return made


def caller_of(frame: FrameType) -> FrameType:
    """Return the frame that called a torch function: torch 1.13 puts one of its own between."""
    while frame.f_code.co_filename == torch.overrides.__file__ and frame.f_back is not None:
        frame = frame.f_back
    return frame


def name_of(func: Any) -> str:
    """Return the name of a torch function, of a property for its getter or setter."""
    name = getattr(func, "__name__", "")
    return str(getattr(func.__self__, "__name__", name)) if name in ("__get__", "__set__") else str(name)


def _plain(result: Any) -> Any:
    """Return what a result tells Python, in a form that compares; None where it is a tensor, which tells nothing."""
    if isinstance(result, (bool, int, float, complex)):
        return result
    if isinstance(result, torch.Tensor):
        # Under the tracer a length is a tensor, and is turned into a number right after: len() itself is the read.
        return None
    if isinstance(result, (list, tuple)):
        plain = all(isinstance(item, (bool, int, float)) for item in result)
        return tuple(result) if plain else (len(result),)
    if hasattr(result, "tobytes") and hasattr(result, "shape"):
        return tuple(result.shape), hash(result.tobytes())
    return None


def changed_reads(left: Seen, right: Seen) -> list[ChangedRead]:
    """Return the reads that gave another value, in order of execution."""
    others: dict[tuple[str, Stack], list[Any]] = defaultdict(list)
    for read in right.reads:
        others[read.name, read.stack].append(read.value)
    values = {place: iter(found) for place, found in others.items()}
    changed: dict[tuple[str, Stack], ChangedRead] = {}
    for name, stack, old in left.reads:
        new = next(values.get((name, stack), iter(())), None)
        if new is not None and new != old and not (new != new and old != old):
            changed.setdefault((name, stack), ChangedRead(name, stack, old, new))
    return list(changed.values())
