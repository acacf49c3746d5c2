"""Which line of the model's code did that: call stacks as torch records them, less the frames of torch, of Python's own
library and of this package, with the source text where it can be had.

torch names the stack of a node as text, innermost frame first, one ``file(line): function`` a line; a node that comes
from a scripted function carries ``File "file", line N, in function`` instead.
"""

from __future__ import annotations

import linecache
import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from pytest_torchscript.common.frames import is_machinery, is_model_file, is_tracer

if TYPE_CHECKING:
    from types import FrameType

_FRAME = re.compile(r"^\s*(?P<file>.+)\((?P<line>\d+)\): (?P<function>.+)$")
_SCRIPTED = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>\S+))?')


class Frame(NamedTuple):
    """One frame of a call stack."""

    file: str
    line: int
    function: str


#: Innermost frame first.
Stack = tuple[Frame, ...]


def parse_range(text: str) -> Stack:
    """Return the frames of a node's source range, up to the call of the tracer; empty where torch recorded none."""
    frames: list[Frame] = []
    for line in text.splitlines():
        frame = _frame(line)
        if frame is None:
            continue
        if is_tracer(frame.file):
            break
        frames.append(frame)
    scripted = (Frame(m["file"], int(m["line"]), m["function"] or "<scripted>") for m in _SCRIPTED.finditer(text))
    return tuple(frames) or tuple(scripted)


@lru_cache(maxsize=1 << 14)  # most operations of a trace share most of their frames
def _frame(line: str) -> Frame | None:
    match = _FRAME.match(line)
    return Frame(match["file"], int(match["line"]), match["function"]) if match is not None else None


def live_stack(frame: FrameType | None, until: FrameType | None = None) -> Stack:
    """Return the running stack from `frame` outwards, up to the call of the tracer, or to the frame `until`."""
    frames: list[Frame] = []
    while frame is not None and frame is not until:
        code = frame.f_code
        if is_tracer(code.co_filename):
            break
        frames.append(Frame(code.co_filename, frame.f_lineno, code.co_name))
        frame = frame.f_back
    return tuple(frames)


def model_stack(stack: Stack) -> Stack:
    """Return the frames of the model's code; where there are none (a model made of torch's own modules) all but
    this package's and the machinery that calls modules."""
    found = tuple(frame for frame in stack if is_model_file(frame.file))
    return found or tuple(frame for frame in stack if not is_machinery(frame.file))


def source_line(frame: Frame) -> str:
    """Return the source text of a frame's line, or an empty string where there is none to be had."""
    return linecache.getline(frame.file, frame.line).strip()


def source_text(file: str) -> str:
    """Return the text of a source file, or an empty string."""
    return "".join(linecache.getlines(file))
