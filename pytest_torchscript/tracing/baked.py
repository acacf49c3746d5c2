"""The differential trace: what two traces at different sizes (or values) do not share, less what two equal traces do
not share either, is what the tracer froze. Each finding names the line of the model's code that did it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_torchscript.tracing.differences import (
    CHOICE,
    OUTPUTS,
    SCALAR,
    STRUCTURE,
    TENSOR,
    WIRING,
    Difference,
    find_differences,
    int_or_none,
    show,
)
from pytest_torchscript.tracing.forks import NEUTRAL, Group, find_source, group_by_reason
from pytest_torchscript.tracing.frames import Stack, make_cause, model_stack
from pytest_torchscript.tracing.graph import Recording, read_graph
from pytest_torchscript.tracing.misread import lines_are_off, repair_lines
from pytest_torchscript.tracing.source_code import statement_names
from pytest_torchscript.tracing.watch import ChangedRead, changed_reads, watch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_torchscript.results import Cause
    from pytest_torchscript.tracing.trace import Trace

#: A report with more lines than this is not read.
MOST_CAUSES = 5
_BASE = {SCALAR: 60.0, TENSOR: 60.0, OUTPUTS: 60.0, CHOICE: 50.0, WIRING: 30.0, STRUCTURE: 65.0}
#: The score of what changes no answer by itself; reported only where there is nothing else.
_NEUTRAL = 5.0


@dataclass(frozen=True)
class _Finding:
    """A line with its evidence; `order` is its place in the execution."""

    stack: Stack
    evidence: str
    score: float
    order: int


def find_baked(
    left: Trace, control: Trace, moved: Trace, *, axis: str = "", sizes: tuple[int, int] | None = None
) -> list[Cause]:
    """Return the lines that froze a size, most likely first: what `moved` has otherwise than `left`, but `control`, a
    second trace like `left`, has not.

    `sizes` are the size of `axis` in `left` and in `moved`; where several axes moved, leave them out or give the
    foremost's: they only order the lines. Where the traces differ both are made once more, to see what Python read.
    """
    del axis  # part of the call's meaning, not of the comparison
    first, second = _recording(left), _recording(moved)
    found = find_differences(first, second)
    if not found:
        return []
    third = _recording(control)
    if lines_are_off():
        first, second, third = _repaired(left, left), _repaired(moved, moved), _repaired(control, left)
        found = find_differences(first, second)
    noise = {difference.key for difference in find_differences(first, third)}
    found = [difference for difference in found if difference.key not in noise]
    if not found:
        return []
    changed = changed_reads(watch(left), watch(moved))
    findings = [*_constants(found, sizes, changed), *_structures(found, (first, second), sizes, changed)]
    return _rank(findings, {(warning.file, warning.line) for warning in (*left.warnings, *moved.warnings)})


def value_branches(left: Trace, control: Trace, other: Trace) -> list[Cause]:
    """Return the lines that froze a value: as `find_baked`, for traces at equal sizes with other values."""
    return find_baked(left, control, other)


def _recording(trace: Trace) -> Recording:
    if "recording" not in trace.derived:
        trace.derived["recording"] = read_graph(trace.module)
    return trace.derived["recording"]  # type: ignore[no-any-return]


def _repaired(trace: Trace, like: Trace) -> Recording:
    if "repaired" not in trace.derived:
        trace.derived["repaired"] = repair_lines(read_graph(trace.module), watch(like).calls)
    return trace.derived["repaired"]  # type: ignore[no-any-return]


def _constants(
    found: Sequence[Difference], sizes: tuple[int, int] | None, changed: Sequence[ChangedRead]
) -> list[_Finding]:
    telling = {difference.kind for difference in found} - {WIRING}
    uneven = {difference.place for difference in found if difference.kind == STRUCTURE}
    findings: list[_Finding] = []
    for number, difference in enumerate(found):
        # Operations fed by others are what follows from the other kinds; alone they are a choice that left no trace.
        if difference.kind == STRUCTURE or (difference.kind == WIRING and telling):
            continue
        if difference.place in uneven and (difference.old, difference.new) != sizes:
            continue  # the turns of a loop that was unrolled to another length do not correspond
        score = _BASE[difference.kind] + _follows(difference.old, difference.new, sizes)
        stack = _stack_of(difference, changed)
        read = _read_for(difference, stack, changed)
        if read is not None and isinstance(difference.old, bool):
            stack = read.stack  # what decides, rather than what is told
        elif read is not None:
            findings.append(_Finding(read.stack, f"{show(read.old)} became {show(read.new)}", score - 15, number))
        findings.append(_Finding(stack, difference.evidence, score, number))
    return findings


def _read_for(difference: Difference, stack: Stack, changed: Sequence[ChangedRead]) -> ChangedRead | None:
    """Return the read on an earlier line that a number in the graph comes from."""
    if not stack or not isinstance(difference.old, (bool, int, float)):
        return None
    kind = bool if isinstance(difference.old, bool) else (int, float)
    alike = [read for read in changed if isinstance(read.old, kind) and isinstance(read.old, bool) == (kind is bool)]
    read = find_source(stack, statement_names(stack[0]), alike)
    return read if read is not None and read.stack[0] != stack[0] else None


def _stack_of(difference: Difference, changed: Sequence[ChangedRead]) -> Stack:
    """Return where a difference stands; for a choice between what two lines made (``a if n > 3 else b``), which leaves
    no operation, the last truth value that changed."""
    stack = model_stack(difference.operation.stack) if difference.operation else ()
    if difference.kind == WIRING or not stack:
        truths = [read for read in changed if isinstance(read.old, bool)]
        near = [read for read in truths if not stack or read.stack[1:] == stack[1:]] or truths
        return near[-1].stack if near else stack
    return stack


def _follows(old: Any, new: Any, sizes: tuple[int, int] | None) -> float:
    """Score how well a change of a number, or of a constant's shape, follows the change of an axis."""
    if sizes is None or sizes[0] == sizes[1]:
        return 0
    if hasattr(old, "shape") and hasattr(new, "shape"):
        pairs = [(a, b) for a, b in zip(old.shape, new.shape) if a != b] if old.dim() == new.dim() else []
        return max((_follows(a, b, sizes) for a, b in pairs), default=0)
    start, end = int_or_none(old), int_or_none(new)
    if start is None or end is None:
        return 10 if isinstance(old, float) and isinstance(new, float) else 0
    if (start, end) == sizes:
        return 40
    return 25 if (end - start) % (sizes[1] - sizes[0]) == 0 else 10


def _structures(
    found: Iterable[Difference],
    recordings: tuple[Recording, Recording],
    sizes: tuple[int, int] | None,
    changed: Sequence[ChangedRead],
) -> list[_Finding]:
    loose = [difference for difference in found if difference.kind == STRUCTURE]
    return [_structure(group, sizes) for group in group_by_reason(loose, recordings, changed)]


def _structure(group: Group, sizes: tuple[int, int] | None) -> _Finding:
    evidence = group.describe()
    if all(operation.kind in NEUTRAL for operation in group.operations):
        return _Finding(group.reason.stack, evidence, _NEUTRAL, group.order)
    step = abs(sizes[1] - sizes[0]) if sizes else 0
    follows = group.reason.loop and step and len(group.operations) % step == 0
    score = _BASE[STRUCTURE] + 15 * bool(follows) + 10 * (group.reason.read is not None)
    return _Finding(group.reason.stack, evidence, score, group.order)


def _rank(findings: Iterable[_Finding], warned: set[tuple[str, int]]) -> list[Cause]:
    """Join the findings of a line and order the lines, those that the tracer warned of before their equals."""
    lines: dict[tuple[str, int], list[_Finding]] = defaultdict(list)
    findings = list(findings)
    telling = [finding for finding in findings if finding.score > _NEUTRAL]
    for finding in telling or findings:
        place = (finding.stack[0].file, finding.stack[0].line) if finding.stack else ("", 0)
        lines[place].append(finding)
    ordered = sorted(lines.items(), key=lambda item: _rank_line(item[1], item[0] in warned))
    return [make_cause(found[0].stack, _join_evidence(found)) for _, found in ordered[:MOST_CAUSES]]


def _rank_line(found: Sequence[_Finding], warned: bool) -> tuple[float, int]:
    return -max(finding.score for finding in found) - 20 * warned, min(finding.order for finding in found)


def _join_evidence(found: Sequence[_Finding], most: int = 3) -> str:
    best = sorted(found, key=lambda finding: (-finding.score, finding.order))
    texts = list(dict.fromkeys(finding.evidence for finding in best))
    rest = f", and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + rest
