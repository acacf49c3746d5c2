"""Make a trace once more under watch, to learn what Python read from tensors on the way and on which line.

Only done for traces that differ. A torch function mode sees every call, also those that leave no node and no warning
(``range(x.shape[0])``, ``x.stride()``). It may steer torch's own modules off their fast path, which is why the graphs
that are compared come from traces made without it.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.overrides import TorchFunctionMode

from pytest_torchscript.stack import lines_may_be_off
from pytest_torchscript.tracing.branches import nodes_around
from pytest_torchscript.tracing.frames import Frame, Stack, is_tracer, live_stack, model_stack, parse_range
from pytest_torchscript.tracing.trace import Trace, isolated, quiet_tracer, run_tracer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FrameType

    from pytest_torchscript.tracing.graph import Recording


class Read(NamedTuple):
    """Python took a number out of a tensor: how, where (innermost frame of the model's code first), which."""

    name: str
    stack: Stack
    value: Any


class Call(NamedTuple):
    """A torch function was called: its name, where, and where torch's tracer believes that it was."""

    name: str
    stack: Stack
    recorded: Stack


@dataclass
class Replay:
    """What a trace under watch showed, in order."""

    reads: list[Read] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)


class ChangedRead(NamedTuple):
    """A read at one place that gave another value in the other trace."""

    name: str
    stack: Stack
    old: Any
    new: Any


def replay(trace: Trace) -> Replay:
    """Trace again, once, what `trace` was made of; empty where that is not known or fails this time."""
    if "replay" not in trace.derived:
        trace.derived["replay"] = seen = Replay()
        if trace.origin is not None:
            # A model may not bear the watch: what was seen until then still counts.
            with suppress(Exception), quiet_tracer(), _Watch(seen):
                run_tracer(isolated(trace.origin), trace.example)
    return trace.derived["replay"]  # type: ignore[no-any-return]


class _Watch(TorchFunctionMode):  # type: ignore[misc, unused-ignore]
    def __init__(self, seen: Replay) -> None:
        super().__init__()
        self.seen = seen
        self.parsed: tuple[int, int, int] = (0, 0, 0)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        value = _plain(result)
        caller = _caller(sys._getframe(1))
        self.forget_parsing(caller, value)
        if value is not None:
            self.seen.reads.append(Read(_name(func), model_stack(live_stack(caller)), value))
        if lines_are_off():
            self.seen.calls.append(Call(_name(func), live_stack(caller), tuple(_misread(caller))))
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


def _caller(frame: FrameType) -> FrameType:
    """Return the frame that called a torch function: torch 1.13 puts one of its own between."""
    while frame.f_code.co_filename == torch.overrides.__file__ and frame.f_back is not None:
        frame = frame.f_back
    return frame


def _name(func: Any) -> str:
    name = getattr(func, "__name__", "")
    return str(getattr(func.__self__, "__name__", name)) if name == "__get__" else str(name)


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


def changed_reads(left: Replay, right: Replay) -> list[ChangedRead]:
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


def _misread(frame: FrameType | None) -> Iterator[Frame]:
    """Yield a stack as torch 1.13 records it on Python 3.10, where it takes the number of an instruction for its offset
    in bytes and so names an earlier line."""
    while frame is not None and not is_tracer(frame.f_code.co_filename):
        code = frame.f_code
        yield Frame(code.co_filename, _line_at(code, frame.f_lasti // 2), code.co_name)
        frame = frame.f_back


@lru_cache(maxsize=4096)
def _line_at(code: CodeType, offset: int) -> int:
    lines = code.co_lines()
    return next((line for start, end, line in lines if start <= offset < end and line), code.co_firstlineno)


@lru_cache(maxsize=1)
def lines_are_off() -> bool:
    """Whether torch's tracer names earlier lines than the right ones: found out by tracing a function of two lines."""
    if not lines_may_be_off():
        return False

    def probe(x: torch.Tensor) -> torch.Tensor:
        text = "some instructions that call nothing, so that the next line is well away from the first"
        text = text + text + text
        return x.neg() if text else x

    with quiet_tracer():
        graph = run_tracer(probe, (torch.zeros(1),)).inlined_graph
    stacks = chain.from_iterable(parse_range(node.sourceRange())[:1] for node in graph.nodes())
    return any(frame.line != probe.__code__.co_firstlineno + 3 for frame in stacks)


def repair_lines(recording: Recording, seen: Replay) -> Recording:
    """Put the right lines into a recording of a torch whose lines are off, from the calls of its replay: of those at
    the same misread place the next that can have made the operation, else the last one used. A call that the watch does
    not see (``torch.arange`` in 1.13) is looked up in the source by its name."""
    places: dict[Stack, list[Call]] = defaultdict(list)
    callers: dict[Stack, Stack] = {}
    for call in seen.calls:
        stack, misread = model_stack(call.stack), model_stack(call.recorded)
        places[misread].append(call)
        callers.update((misread[depth:], stack[depth:]) for depth in range(1, len(misread)))
    used: dict[Stack, int] = defaultdict(lambda: -1)
    for operation in recording.operations:
        place, name = model_stack(operation.stack), operation.kind.rpartition("::")[2].strip("_")
        if places.get(place):
            used[place] = _making_call(places[place], used[place], name)
            operation.stack = model_stack(places[place][used[place]].stack)
        elif place:
            operation.stack = (_written_call(place[0], name), *callers.get(place[1:], place[1:]))
    return recording


def _written_call(frame: Frame, name: str) -> Frame:
    """Return the frame with the first line, from its own on, on which its function calls something of this name."""
    function = next(iter(nodes_around(frame.file, frame.line)), None)
    calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call)) if function else ()
    lines = [node.lineno for node in calls if getattr(node, "attr", getattr(node, "id", "")) == name]
    return frame._replace(line=min((line for line in lines if line >= frame.line), default=frame.line))


def _making_call(calls: list[Call], last: int, operation: str) -> int:
    if last >= 0 and operation in _SEVERAL.get(_base(calls[last].name), ()):
        return last
    for number in range(last + 1, len(calls)):
        name = _base(calls[number].name)
        if name == operation or operation in _SEVERAL.get(name, ()):
            return number
    return max(last, 0)


_INDEXING = ("slice", "select", "index", "unsqueeze", "index_put", "copy", "fill", "expand", "view")
_CASTS = ("to", "lift_fresh", "detach", "alias")
#: Calls that leave several operations, or one of another name.
_SEVERAL = {
    **dict.fromkeys(("getitem", "setitem"), _INDEXING),
    **dict.fromkeys(("tensor", "as_tensor", "from_numpy"), _CASTS),
    **dict.fromkeys(("float", "long", "int", "bool", "half", "double", "type", "type_as"), ("to", "type_as")),
    **dict.fromkeys(("chunk", "split", "unbind", "tolist"), ("ListUnpack",)),
    **dict.fromkeys(("shape", "numel", "len"), ("size", "numel")),
    "truediv": ("div",),
    "floordiv": ("floor_divide",),
    "reshape": ("view",),
}


def _base(name: str) -> str:
    """Return a function's name as its operation's: ``__radd__`` and ``add_`` are ``add``."""
    if not name.startswith("__"):
        return name.strip("_")
    name = name.strip("_")
    return name[1:] if name[:1] in "ri" and name[1:] in _ARITHMETIC else name


_ARITHMETIC = frozenset(("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"))


def true_stack(stack: Stack, seen: Replay) -> Stack:
    """Return the right stack for one that torch misread, where the calls of a replay leave no doubt, else none."""
    found = {model_stack(call.stack) for call in seen.calls if model_stack(call.recorded) == stack}
    return found.pop() if len(found) == 1 else ()
