"""A differential trace as text: every step from two graphs to the lines that are named, so that a wrong line can be
followed to the step that went wrong."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_torchscript.tracing.differences import STRUCTURE, show
from pytest_torchscript.tracing.frames import Frame, Stack, model_stack, source_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_torchscript.results import Cause
    from pytest_torchscript.tracing.baked import DifferentialTrace, Finding
    from pytest_torchscript.tracing.differences import Difference
    from pytest_torchscript.tracing.forks import Group
    from pytest_torchscript.tracing.graph import Recording
    from pytest_torchscript.tracing.watch import ChangedRead

#: Of a step with more entries than this only the first are shown.
MOST_SHOWN = 12


def explain_trace(found: DifferentialTrace) -> list[str]:
    """Lay out the steps of a comparison as lines of text: graphs, differences, noise, reads, forks, scores, named lines.
    Steps that found nothing are left out."""
    left, moved = _live(found.left), _live(found.moved)
    gone, new = (
        sum(item.added is added for item in found.differences if item.kind == STRUCTURE) for added in (False, True)
    )
    noise = {difference.key for difference in found.noise}
    telling = [difference for difference in found.differences if difference.key not in noise]
    ranked = sorted(found.findings, key=lambda finding: (-finding.score, finding.order))
    alone = f" ({gone} gone, {new} new)" if gone or new else ""
    return [
        f"graphs: {left} operations that the answer depends on, then {moved}{alone}; {left - gone} correspond",
        *_section("differences: operations that correspond, given something else", _differences(telling)),
        *_section("noise: differences that the two equal traces have too", _differences(found.noise)),
        *_section("reads: what Python read otherwise", map(_read, found.reads)),
        *_section("forks: what decided on operations that one trace alone has", map(_fork, found.groups)),
        *_section("scores", map(_scored, ranked)),
        *_section("named", map(_named, found.causes)),
    ]


def named_lines(title: str, causes: Sequence[Cause]) -> list[str]:
    """Lay out lines that are named, in their order; nothing where there are none."""
    return _section(title, map(_named, causes))


def _section(title: str, entries: Iterable[Sequence[str]]) -> list[str]:
    shown = list(entries)
    lines = [f"    {line}" for entry in shown[:MOST_SHOWN] for line in entry]
    more = [f"    … and {len(shown) - MOST_SHOWN} more"] if len(shown) > MOST_SHOWN else []
    return [title, *lines, *more] if shown else []


def _live(recording: Recording) -> int:
    return sum(operation.live for operation in recording.operations)


def _differences(differences: Iterable[Difference]) -> Iterator[Sequence[str]]:
    """Yield the differences of pairs; what one trace alone has is shown by the line that decided so."""
    for difference in differences:
        if difference.kind == STRUCTURE:
            continue
        operation = difference.operation
        slot = difference.slot.partition(":")[0].strip(".")
        what = f"{operation.kind}, argument {slot}" if operation else f"what is returned, {slot}"
        yield f"{what}: {difference.evidence}", *_at(model_stack(operation.stack) if operation else ())


def _read(read: ChangedRead) -> Sequence[str]:
    return f"{read.name}: {show(read.old)} became {show(read.new)}", *_at(read.stack)


def _fork(group: Group) -> Sequence[str]:
    sure = "" if group.reason.sure else ", for want of a statement or a read that accounts for it"
    kinds = sorted({operation.kind for operation in group.operations})
    shown = ", ".join(kinds[:4]) + (", …" if len(kinds) > 4 else "")
    return f"{group.describe()} ({shown}){sure}", *_at(group.reason.stack)


def _named(cause: Cause) -> Sequence[str]:
    if not cause.line:
        return (str(cause),)
    place = _place(Frame(cause.file, cause.line, cause.function))
    return f"{place} in {cause.function}: {cause.evidence}", *([f"    {cause.source}"] if cause.source else [])


def _scored(finding: Finding) -> Sequence[str]:
    parts = ", ".join(f"{points:+g} {reason}" for points, reason in finding.points)
    place = _place(finding.stack[0]) if finding.stack else "line not known"
    return f"{finding.score:g}  {place}: {finding.evidence}", f"    {parts}"


def _at(stack: Stack) -> tuple[str, ...]:
    if not stack:
        return ()
    return (f"    at {_place(stack[0])} in {stack[0].function}: {source_line(stack[0])}",)


def _place(frame: Frame) -> str:
    """Return file and line, the file as seen from here where it lies below."""
    below = os.path.relpath(frame.file) if frame.file.startswith(os.getcwd() + os.sep) else frame.file  # noqa: PTH109
    return f"{below}:{frame.line}"
