"""The right lines where torch's own are wrong: torch 1.13 on Python 3.10 takes the number of an instruction for its
offset in bytes, and so names an earlier line of the function. No other stack needs this file.

The calls of a trace made again under watch are known with their true place and with the place torch believes them at;
from these the recorded lines are put right.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import torch

from pytest_torchscript.common import jit
from pytest_torchscript.common.frames import is_tracer
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.tracing.frames import Frame, Stack, live_stack, model_stack, parse_range
from pytest_torchscript.tracing.source_code import nodes_around
from pytest_torchscript.versions import lines_may_be_off

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import CodeType, FrameType

    from pytest_torchscript.tracing.graph import Recording


class Call(NamedTuple):
    """A torch function was called: its name, where, and where torch's tracer believes that it was."""

    name: str
    stack: Stack
    recorded: Stack


def call_at(name: str, frame: FrameType) -> Call:
    """Return a call of a torch function by a running frame, as it is and as torch records it."""
    return Call(name, live_stack(frame), tuple(_misread(frame)))


def _misread(frame: FrameType | None) -> Iterator[Frame]:
    """Yield a stack as this torch records it."""
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

    with quiet():
        graph = jit.trace(probe, (torch.zeros(1),)).inlined_graph
    stacks = chain.from_iterable(parse_range(node.sourceRange())[:1] for node in graph.nodes())
    return any(frame.line != probe.__code__.co_firstlineno + 3 for frame in stacks)


def repair_lines(recording: Recording, calls: Iterable[Call]) -> Recording:
    """Put the right lines into a recording of a torch whose lines are off, from the calls of the trace made again: of
    those at the same misread place the next that can have made the operation, else the last one used. A call that the
    watch does not see (``torch.arange`` in 1.13) is looked up in the source by its name."""
    places: dict[Stack, list[Call]] = defaultdict(list)
    callers: dict[Stack, Stack] = {}
    for call in calls:
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


def _making_call(calls: Sequence[Call], last: int, operation: str) -> int:
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


def true_stack(stack: Stack, calls: Iterable[Call], *, called: str = "") -> Stack:
    """Return the right stack for one that torch misread, where the calls of the trace made again leave no doubt, else
    none. `called` is a name that the line calls, for a call that the watch does not see."""
    found = {model_stack(call.stack) for call in calls if model_stack(call.recorded) == stack}
    if not found and called:
        return (_written_call(stack[0], called), *stack[1:])
    return found.pop() if len(found) == 1 else ()
