"""Likely lines where comparing traces names none: those the tracer warned of, and the one an artifact failed on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_torchscript.errors import first_line
from pytest_torchscript.tracing.baked import MOST_CAUSES
from pytest_torchscript.tracing.causes import make_cause
from pytest_torchscript.tracing.frames import Frame, model_stack, parse_range
from pytest_torchscript.tracing.misread import lines_are_off, true_stack
from pytest_torchscript.tracing.size_hints import size_hints
from pytest_torchscript.tracing.watch import watch

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pytest_torchscript.results import Cause
    from pytest_torchscript.tracing.trace import Trace, WarnedLine

#: What a TracerWarning begins with, most telling first, and what it means.
_MEANINGS = (
    ("Converting a tensor to a Python boolean", "a tensor's truth value was asked here and frozen"),
    ("Converting a tensor to a Python", "a tensor was turned into a Python number here and frozen"),
    ("Using len to get tensor shape", "a length was taken here and frozen"),
    ("Iterating over a tensor", "a tensor was iterated over here; the number of turns is frozen"),
    ("There are", "a tensor that something else also holds was changed in place here"),
    ("torch.", "a constant was made here"),
)


def warning_causes(warned: Iterable[WarnedLine], *, sizes: Collection[int] = ()) -> list[Cause]:
    """Return the lines the tracer warned of as likely causes of a divergence that a run has shown, most likely first:
    lines that compare with a number close to one of `sizes` (the smallest that fail), then branches, then numbers."""
    found: dict[tuple[str, int], Cause] = {}
    for warning in sorted(warned, key=lambda warning: (not warning.line, _rank(warning, sizes))):
        stack = (Frame(warning.file, warning.line, warning.function),) if warning.line else ()
        found.setdefault((warning.file, warning.line), make_cause(stack, _meaning(warning)))
    known = [cause for cause in found.values() if cause.line]
    return (known or list(found.values()))[:MOST_CAUSES]


def _rank(warning: WarnedLine, sizes: Collection[int]) -> tuple[bool, int]:
    near = bool(sizes) and not set(sizes).isdisjoint(size_hints((), (warning,)))
    place = next((n for n, (start, _) in enumerate(_MEANINGS) if warning.text.startswith(start)), len(_MEANINGS))
    return not near, place


def _meaning(warning: WarnedLine) -> str:
    meaning = next(
        (meaning for start, meaning in _MEANINGS if warning.text.startswith(start)), "the tracer warned here"
    )
    return f"{meaning} (TracerWarning)"


def error_cause(error: BaseException, trace: Trace | None = None) -> Cause | None:
    """Return the line of the model's code that a TorchScript artifact failed on, from the stack in its error; None
    where the error names none. `trace` helps where torch records lines that are off (1.13 on Python 3.10)."""
    stack = model_stack(parse_range(str(error)))
    if stack and lines_are_off():
        called = "apply" if "Python function call" in str(error) else ""  # of an autograd.Function
        stack = true_stack(stack, watch(trace).calls, called=called) if trace is not None else ()
    return make_cause(stack, f"fails here: {_failure(error)}") if stack else None


def _failure(error: BaseException) -> str:
    """Return what failed: the last line of the interpreter's error, after the stack."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    last = next((line for line in reversed(lines) if line.startswith("RuntimeError: ")), "")
    return last.partition(": ")[2] or first_line(error)
