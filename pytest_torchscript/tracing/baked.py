"""The differential trace: what two traces at different sizes (or values) do not share, less what two equal traces do not
share either, is what the tracer wrote into the graph. Each finding names the line of the model's code that did it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_torchscript.results import Cause
from pytest_torchscript.tracing.differences import (
    OUTPUTS,
    SCALAR,
    STRUCTURE,
    TENSOR,
    WIRING,
    Difference,
    find_differences,
    int_or_none,
)
from pytest_torchscript.tracing.frames import Stack, make_cause, model_stack
from pytest_torchscript.tracing.graph import Reader, Recording
from pytest_torchscript.tracing.replay import ChangedRead, changed_reads, lines_are_off, repair_lines, replay
from pytest_torchscript.tracing.structure import NEUTRAL, Fork, Paths, describe_counts, explain, find_fork
from pytest_torchscript.tracing.trace import Trace, TracerNote

#: A report with more lines than this is not read.
MOST_CAUSES = 5


@dataclass(frozen=True)
class _Finding:
    """A line with its evidence; `order` is its place in the execution."""

    stack: Stack
    evidence: str
    score: float
    order: int


def find_baked(left: Trace, control: Trace, moved: Trace, *, axis: str = "", sizes: tuple[int, int] | None = None) -> list[Cause]:
    """Return the lines that froze a size, most likely first: what `moved` has otherwise than `left`, but `control`, a
    second trace like `left`, has not. `sizes` are the size of `axis` in `left` and in `moved`; where several axes moved
    leave them out or name the foremost."""
    reader = Reader()
    first, second, third = (reader.read(trace.module) for trace in (left, moved, control))
    if not _less_noise(first, second, third):
        return []
    seen = replay(left), replay(moved)
    if lines_are_off():
        for recording, replayed in zip((first, second, third), (*seen, seen[0])):
            repair_lines(recording, replayed)
    found = _less_noise(first, second, third)
    changed = changed_reads(*seen)
    findings = [*_constants(found, sizes, changed), *_structures(found, first, second, sizes, changed)]
    return rank(findings, _warned_lines((*left.warnings, *moved.warnings)))


def _less_noise(left: Recording, moved: Recording, control: Recording) -> list[Difference]:
    found = find_differences(left, moved)
    noise = {difference.key for difference in find_differences(left, control)} if found else set()
    return [difference for difference in found if difference.key not in noise]


def value_branches(left: Trace, control: Trace, other: Trace) -> list[Cause]:
    """Return the lines that froze a value: as `find_baked`, for traces at equal sizes with other values."""
    return find_baked(left, control, other)


def rank(findings: Iterable[_Finding], warned: set[tuple[str, int]]) -> list[Cause]:
    """Join the findings of a line and order the lines, those that the tracer warned of before their equals."""
    lines: dict[tuple[str, int], list[_Finding]] = defaultdict(list)
    for finding in findings:
        place = (finding.stack[0].file, finding.stack[0].line) if finding.stack else ("", 0)
        lines[place].append(finding)
    ordered = sorted(lines.items(), key=lambda item: _rank_line(item[1], item[0] in warned))
    return [make_cause(found[0].stack, _join_evidence(found)) for _, found in ordered[:MOST_CAUSES]]


def _rank_line(found: list[_Finding], warned: bool) -> tuple[float, int]:
    return -max(finding.score for finding in found) - 20 * warned, min(finding.order for finding in found)


def _join_evidence(found: Sequence[_Finding], most: int = 3) -> str:
    best = sorted(found, key=lambda finding: (-finding.score, finding.order))
    texts = list(dict.fromkeys(finding.evidence for finding in best))
    rest = f", and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + rest


def _warned_lines(notes: Iterable[TracerNote]) -> set[tuple[str, int]]:
    return {(note.file, note.line) for note in notes}


def _constants(
    found: Iterable[Difference], sizes: tuple[int, int] | None, changed: Sequence[ChangedRead]
) -> list[_Finding]:
    base = {SCALAR: 60, TENSOR: 60, OUTPUTS: 60, WIRING: 40}
    findings = []
    for number, difference in enumerate(found):
        if difference.kind == STRUCTURE:
            continue
        stack = _stack_of(difference, changed)
        score = base[difference.kind] + _follows(difference.old, difference.new, sizes)
        findings.append(_Finding(stack, difference.evidence, score, number))
    return findings


def _stack_of(difference: Difference, changed: Sequence[ChangedRead]) -> Stack:
    """Return where a difference stands; for a choice between what two lines made (``a if n > 3 else b``), which leaves no
    operation, the last truth value that changed."""
    stack = model_stack(difference.operation.stack) if difference.operation else ()
    if difference.kind == WIRING or not stack:
        choices = [read for read in changed if isinstance(read.old, bool) and (not stack or read.stack[1:] == stack[1:])]
        return choices[-1].stack if choices else stack
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
    left: Recording,
    right: Recording,
    sizes: tuple[int, int] | None,
    changed: Sequence[ChangedRead],
) -> list[_Finding]:
    """Gather the operations that only one trace has by the statement that parted the traces."""
    left_paths, right_paths = Paths.of(left), Paths.of(right)
    loose = [difference for difference in found if difference.kind == STRUCTURE]
    sides = _sides(loose)
    groups: dict[Stack, list[Difference]] = defaultdict(list)
    reasons: dict[Stack, tuple[Fork, ChangedRead | None]] = {}
    explained: dict[Fork, tuple[Stack, ChangedRead | None]] = {}
    for difference in loose:
        fork = _fork_of(difference, left_paths, right_paths, sides)
        if fork not in explained:
            explained[fork] = explain(fork, changed)
        stack, read = explained[fork]
        groups[stack].append(difference)
        reasons.setdefault(stack, (fork, read))
    return [_structure(stack, group, *reasons[stack], sizes) for stack, group in groups.items()]


def _fork_of(difference: Difference, left: Paths, right: Paths, sides: dict[tuple[str, Stack], set[bool]]) -> Fork:
    operation = difference.operation
    assert operation is not None
    repeated = len(sides[operation.scope, operation.stack]) == 1
    return find_fork(operation, left if difference.added else right, repeated=repeated)


def _sides(loose: Iterable[Difference]) -> dict[tuple[str, Stack], set[bool]]:
    sides: dict[tuple[str, Stack], set[bool]] = defaultdict(set)
    for difference in loose:
        if difference.operation is not None:
            sides[difference.operation.scope, difference.operation.stack].add(difference.added)
    return sides


def _structure(
    stack: Stack, group: list[Difference], fork: Fork, read: ChangedRead | None, sizes: tuple[int, int] | None
) -> _Finding:
    order = min(difference.operation.index for difference in group if difference.operation)
    evidence = describe_counts(group)
    if read is not None:
        evidence = f"{read.old} became {read.new}, {evidence}"
    if all(difference.operation and difference.operation.kind in NEUTRAL for difference in group):
        return _Finding(stack, evidence, 5, order)
    follows = fork.loop and sizes is not None and len(group) % (abs(sizes[1] - sizes[0]) or 1) == 0
    return _Finding(stack, evidence, 65 + 15 * follows + 10 * (read is not None), order)
