"""Which line of the model's code did that: call stacks as torch records them, less the frames of torch, of Python's own
library and of this package, with the source text where it can be had.

torch names the stack of a node as text, innermost frame first, one ``file(line): function`` a line; a node that comes
from a scripted function carries ``File "file", line N, in function`` instead.
"""

from __future__ import annotations

import linecache
import os
import re
import sysconfig
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from pytest_torchscript.results import Cause

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


_TORCH = str(Path(torch.__file__).parent)
_OWN = str(Path(__file__).parent.parent)
_LIBRARY = tuple(str(Path(sysconfig.get_path(name))) for name in ("stdlib", "platstdlib"))
_TRACER = (str(Path("torch", "jit", "_trace.py")), str(Path("torch", "nn", "modules", "module.py")))
_INSTALLED = frozenset(("site-packages", "dist-packages"))
#: Packages that carry out what a model's line asks for; the line that asks is the one to name.
_HELPERS = frozenset(
    (
        "einops",
        "functorch",
        "jaxtyping",
        "beartype",
        "typeguard",
        "numpy",
        "opt_einsum",
        "torch_neuron",
        "torch_neuronx",
    )
)


def parse_range(text: str) -> Stack:
    """Return the frames of a node's source range, up to the call of the tracer; empty where torch recorded none."""
    frames: list[Frame] = []
    for line in text.splitlines():
        match = _FRAME.match(line)
        if match is None:
            continue
        frame = Frame(match["file"], int(match["line"]), match["function"])
        if is_tracer(frame.file):
            break
        frames.append(frame)
    return tuple(frames) or _parse_scripted(text)


def _parse_scripted(text: str) -> Stack:
    found = [Frame(m["file"], int(m["line"]), m["function"] or "<scripted>") for m in _SCRIPTED.finditer(text)]
    return tuple(found)


def live_stack(frame: FrameType | None) -> Stack:
    """Return the running stack from `frame` outwards, up to the call of the tracer."""
    frames: list[Frame] = []
    while frame is not None:
        code = frame.f_code
        if is_tracer(code.co_filename):
            break
        frames.append(Frame(code.co_filename, frame.f_lineno, code.co_name))
        frame = frame.f_back
    return tuple(frames)


@lru_cache(maxsize=4096)
def is_tracer(file: str) -> bool:
    """Whether a file is that of torch's tracer: what lies outside it only asked for the trace."""
    return file.startswith(_TORCH) and file.endswith(_TRACER[0])


@lru_cache(maxsize=4096)
def is_model_file(file: str) -> bool:
    """Whether a file is the model's code: not torch's, not this package's, not Python's, no helper library's."""
    if file.startswith("<frozen ") or _is_under(file, (_TORCH, _OWN)) or _is_library(file):
        return False
    return _installed_package(file) not in _HELPERS


def _installed_package(file: str) -> str:
    parts = Path(file).parts
    return next((parts[n + 1] for n, part in enumerate(parts[:-1]) if part in _INSTALLED), "")


def _is_library(file: str) -> bool:
    """Whether a file is Python's own; packages may be installed below Python's library."""
    return _is_under(file, _LIBRARY) and not _installed_package(file)


def _is_under(file: str, folders: tuple[str, ...]) -> bool:
    return any(file.startswith(folder + os.sep) for folder in folders)


def model_stack(stack: Stack) -> Stack:
    """Return the frames of the model's code; where there are none (a model made of torch's own modules) all but
    this package's and the machinery that calls modules."""
    found = tuple(frame for frame in stack if is_model_file(frame.file))
    return found or tuple(frame for frame in stack if not _is_machinery(frame.file))


def _is_machinery(file: str) -> bool:
    return _is_under(file, (_OWN,)) or _is_library(file) or (file.startswith(_TORCH) and file.endswith(_TRACER))


def source_line(frame: Frame) -> str:
    """Return the source text of a frame's line, or an empty string where there is none to be had."""
    return linecache.getline(frame.file, frame.line).strip()


def source_text(file: str) -> str:
    """Return the text of a source file, or an empty string."""
    return "".join(linecache.getlines(file))


def make_cause(stack: Stack, evidence: str) -> Cause:
    """Name the innermost line of a stack of the model's code. Where it cannot be read the cause says so: the line
    number stays when the file has a name on disk (a package without sources), and is 0 for code that has none."""
    if not stack:
        return Cause("", 0, "", "", evidence)
    frame = stack[0]
    source = source_line(frame)
    if source:
        return Cause(frame.file, frame.line, frame.function, source, evidence)
    if not frame.file.startswith("<"):
        return Cause(frame.file, frame.line, frame.function, "", f"{evidence} (the source cannot be read)")
    caller = next((outer for outer in stack if not outer.file.startswith("<")), None)
    called = f", called at {caller.file}:{caller.line}" if caller else ""
    return Cause(frame.file, 0, frame.function, "", f"{evidence} (in generated code{called})")
