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
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import torch

from pytest_torchscript.results import Cause

_FRAME = re.compile(r"^\s*(?P<file>.+)\((?P<line>\d+)\): (?P<function>.+)$")
_SCRIPTED = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>\S+))?')


class Frame(NamedTuple):
    """One frame of a call stack."""

    file: str
    line: int
    function: str


#: Innermost frame first.
Stack = tuple[Frame, ...]


def _folder(path: str | Path) -> str:
    return os.path.join(os.path.abspath(path), "")  # noqa: PTH100, PTH118 - strings, compared by the ten thousand


_TORCH = _folder(Path(torch.__file__).parent)
_TRACER = (os.path.join("torch", "jit", "_trace.py"), "torch/jit/_trace.py")  # noqa: PTH118
_OWN = _folder(Path(__file__).parent.parent)
_LIBRARY = tuple(_folder(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib"))
_SITE = tuple(_folder(sysconfig.get_path(name)) for name in ("purelib", "platlib"))
#: Packages that carry out what a model's line asks for; the line that asks is the one to name.
_HELPERS = ("einops", "functorch", "jaxtyping", "beartype", "typeguard", "numpy", "opt_einsum", "torch_neuron", "torch_neuronx")


def parse_range(text: str) -> Stack:
    """Return the frames of a node's source range, up to the call of the tracer; empty where torch recorded none."""
    frames: list[Frame] = []
    for line in text.splitlines():
        match = _FRAME.match(line)
        if match is None:
            continue
        frame = Frame(match["file"], int(match["line"]), match["function"])
        if frame.file.endswith(_TRACER):
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
        if code.co_filename.endswith(_TRACER):
            break
        frames.append(Frame(code.co_filename, frame.f_lineno, code.co_name))
        frame = frame.f_back
    return tuple(frames)


@lru_cache(maxsize=4096)
def is_model_file(file: str) -> bool:
    """Whether a file is the model's code: not torch's, not this package's, not Python's, no helper library's."""
    if file.startswith((_TORCH, _OWN, "<frozen ")):
        return False
    if file.startswith(_SITE):
        return not any(file.startswith(os.path.join(site, name, "")) for site in _SITE for name in _HELPERS)  # noqa: PTH118
    return not file.startswith(_LIBRARY)


def model_stack(stack: Stack) -> Stack:
    """Return the frames of the model's code; where there are none (a model made of torch's own modules) all but
    this package's and the machinery that calls modules."""
    found = tuple(frame for frame in stack if is_model_file(frame.file))
    return found or tuple(frame for frame in stack if not _is_machinery(frame))


def _is_machinery(frame: Frame) -> bool:
    return frame.file.startswith((_OWN, *_LIBRARY)) or frame.file.endswith(("nn/modules/module.py", "nn\\modules\\module.py"))


def source_line(frame: Frame) -> str:
    """Return the source text of a frame's line, or an empty string where there is none to be had."""
    return linecache.getline(frame.file, frame.line).strip()


def source_text(file: str) -> str:
    """Return the text of a source file, or an empty string."""
    return "".join(linecache.getlines(file))


def is_known(frame: Frame) -> bool:
    """Whether a line number of this file leads a reader anywhere: generated code has a name but no file."""
    return not frame.file.startswith("<") or bool(source_line(frame))


def make_cause(stack: Sequence[Frame], evidence: str) -> Cause:
    """Name the innermost line of a stack of the model's code. Where its file cannot be read the cause says so: the line
    number stays when the file has a name on disk (a package without sources), and is 0 for generated code."""
    if not stack:
        return Cause("", 0, "", "", evidence)
    frame = next(_known_first(stack))
    source = source_line(frame)
    if source:
        return Cause(frame.file, frame.line, frame.function, source, evidence)
    if not is_known(frame):
        return Cause(frame.file, 0, frame.function, "", f"{evidence} (in generated code)")
    return Cause(frame.file, frame.line, frame.function, "", f"{evidence} (its source cannot be read)")


def _known_first(stack: Sequence[Frame]) -> Iterator[Frame]:
    yield stack[0]
