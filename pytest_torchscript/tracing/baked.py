"""The differential trace: what two traces at different sizes (or values) do not share, less what two equal traces do
not share either, is what the tracer froze. Each finding names the line of the model's code that did it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch

from pytest_torchscript.tracing.causes import make_cause
from pytest_torchscript.tracing.differences import (
    ANOTHER_RESULT,
    CHOICE,
    OUTPUTS,
    SCALAR,
    STRUCTURE,
    TENSOR,
    WIRING,
    Difference,
    equal_tensors,
    find_differences,
    int_or_none,
    show,
)
from pytest_torchscript.tracing.forks import NEUTRAL, Group, find_source, group_by_reason
from pytest_torchscript.tracing.frames import Stack, model_stack
from pytest_torchscript.tracing.graph import Recording, attributes_in, read_graph
from pytest_torchscript.tracing.misread import lines_are_off, repair_lines
from pytest_torchscript.tracing.source_code import statement_names
from pytest_torchscript.tracing.trace import Trace, again_like
from pytest_torchscript.tracing.watch import HANDED_TO_NUMPY, ChangedRead, changed_reads, watch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_torchscript.results import Cause

#: A report with more lines than this is not read.
MOST_CAUSES = 5
#: What a finding is worth by its kind, with the words that `explain` uses for it.
_KINDS = {
    SCALAR: (60.0, "a number written into the graph"),
    TENSOR: (60.0, "a tensor written into the graph"),
    OUTPUTS: (60.0, "another number of outputs"),
    CHOICE: (50.0, "a constant in one trace, computed in the other"),
    WIRING: (30.0, "fed by another operation"),
    STRUCTURE: (65.0, "operations that one trace alone has"),
}
#: What changes no answer by itself is reported only where there is nothing else.
_NEUTRAL = (5.0, "operations that answer as their input does")
_WARNED = (20.0, "the tracer warned of the line")
_READ_BEFORE = (-15.0, "the number is read here and written into the graph further on")

Points = tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Finding:
    """A line (innermost frame of the model's code first) with its evidence. ``points`` are what its score is made of;
    ``order`` is its place in the execution; ``operation`` is what was given another number there."""

    stack: Stack
    evidence: str
    points: Points
    order: int
    operation: str = ""

    @property
    def score(self) -> float:
        """The sum of the points: among the lines of one comparison, how likely this one is the cause."""
        return sum(points for points, _ in self.points)


@dataclass
class DifferentialTrace:
    """Two traces compared, step by step: what they do not share, what of that is noise, what Python read otherwise, the
    operations that one alone has by the line that decided so, the findings, and the lines that are named."""

    left: Recording
    moved: Recording
    differences: list[Difference]
    noise: list[Difference] = field(default_factory=list)
    reads: list[ChangedRead] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    causes: list[Cause] = field(default_factory=list)


def find_baked(left: Trace, moved: Trace, *, sizes: tuple[int, int] | None = None) -> list[Cause]:
    """Return the lines that froze a size, or a value where no size moved, most likely first: see `compare_traces`."""
    return compare_traces(left, moved, sizes=sizes).causes


def compare_traces(left: Trace, moved: Trace, *, sizes: tuple[int, int] | None = None) -> DifferentialTrace:
    """Find what `moved` has otherwise than `left`, but a second trace like `left` has not.

    `sizes` are the size of the axis in `left` and in `moved`; where several axes moved, leave them out or give the
    foremost's: they only order the lines. Where the traces differ both are made once more, to see what Python read.
    """
    first, second = _recording(left), _recording(moved)
    found = DifferentialTrace(first, second, find_differences(first, second))
    if not found.differences:
        return found
    if lines_are_off():
        first, second = _repaired(left, left), _repaired(moved, moved)
        found = DifferentialTrace(first, second, find_differences(first, second))
    noise = _noise(left, first)
    found.noise = [difference for difference in found.differences if difference.key in noise]
    telling = [difference for difference in found.differences if difference.key not in noise]
    if not telling:
        return found
    found.reads = changed_reads(watch(left), watch(moved))
    loose = [difference for difference in telling if difference.kind == STRUCTURE]
    found.groups = group_by_reason(loose, (first, second), found.reads)
    found.findings = [*_constants(telling, sizes, found.reads), *(_structure(group, sizes) for group in found.groups)]
    warned = {(warning.file, warning.line) for warning in (*left.warnings, *moved.warnings)}
    found.findings = [
        replace(finding, points=(*finding.points, _WARNED))
        if finding.stack and (finding.stack[0].file, finding.stack[0].line) in warned
        else finding
        for finding in found.findings
    ]
    found.causes = _rank(found.findings)
    return found


def _noise(trace: Trace, recording: Recording) -> set[tuple[Any, ...]]:
    """Return the keys of what differs where the same is traced once more."""
    again = again_like(trace)
    other = _repaired(again, trace) if lines_are_off() else _recording(again)
    return {difference.key for difference in find_differences(recording, other)}


def same_record(left: Trace, other: Trace) -> bool:
    """Whether a trace records what `left` records, apart from what `left` made again has otherwise: the same graph, and the
    same numbers in the tensors that it takes from the module."""
    first, second = _recording(left), _recording(other)
    keys = {difference.key for difference in find_differences(first, second)}
    if keys and keys - {difference.key for difference in find_differences(first, _recording(again_like(left)))}:
        return False
    return all(_same_tensor(left.weights.get(path), other.weights.get(path)) for path in attributes_in(first))


def _same_tensor(ours: torch.Tensor | None, theirs: torch.Tensor | None) -> bool:
    if ours is None or theirs is None:
        return ours is theirs  # packed weights are known by their path alone
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return False
    return ours.data_ptr() == theirs.data_ptr() != 0 or equal_tensors(ours, theirs)


def _recording(trace: Trace) -> Recording:
    if "recording" not in trace.derived:
        trace.derived["recording"] = read_graph(trace.graph, trace.weights)
    return trace.derived["recording"]  # type: ignore[no-any-return]


def _repaired(trace: Trace, like: Trace) -> Recording:
    if "repaired" not in trace.derived:
        trace.derived["repaired"] = repair_lines(read_graph(trace.graph, trace.weights), watch(like).calls)
    return trace.derived["repaired"]  # type: ignore[no-any-return]


def _constants(
    found: Sequence[Difference], sizes: tuple[int, int] | None, changed: Sequence[ChangedRead]
) -> list[Finding]:
    """Return a finding for each difference of a pair of operations, and for the line before it that it comes from."""
    telling = {difference.kind for difference in found} - {WIRING}
    uneven = {difference.place for difference in found if difference.kind == STRUCTURE}
    findings: list[Finding] = []
    for order, difference in enumerate(found):
        # Operations fed by others are what follows from the other kinds; alone they are a choice that left no trace.
        if difference.kind == STRUCTURE or (difference.kind == WIRING and telling):
            continue
        if difference.place in uneven and (difference.old, difference.new) != sizes:
            continue  # the turns of a loop that was unrolled to another length do not correspond
        points: Points = (_KINDS[difference.kind], *_follows(difference.old, difference.new, sizes))
        stack = model_stack(difference.operation.stack) if difference.operation else ()
        evidence = difference.evidence
        read = _read_for(difference, stack, changed)
        if read is not None and (not stack or difference.kind == WIRING or isinstance(difference.old, bool)):
            stack = read.stack  # what decides, rather than what is told, and what the wrapper around the model returns
            if evidence == ANOTHER_RESULT:
                evidence = f"{show(read.old)} became {show(read.new)}, so that another result is taken"
        elif read is not None and read.stack[0] != stack[0]:
            told = evidence if read.name in HANDED_TO_NUMPY else f"{show(read.old)} became {show(read.new)}"
            decides = difference.kind == CHOICE and isinstance(read.old, bool)
            findings.append(Finding(read.stack, told, points if decides else (*points, _READ_BEFORE), order))
        kind = difference.operation.kind.rpartition("::")[2] if difference.operation else ""
        findings.append(Finding(stack, evidence, points, order, kind))
    return findings


def _read_for(difference: Difference, stack: Stack, changed: Sequence[ChangedRead]) -> ChangedRead | None:
    """Return the read that a difference comes from, of its kind: on its line or before it, followed by the names; for a
    choice between what two lines made (``a if n > 3 else b``), which leaves no operation, the last truth value that
    changed; for a number that the model returns, where it was read."""
    truths = [read for read in changed if isinstance(read.old, bool)]
    if difference.kind == WIRING:
        near = [read for read in truths if not stack or read.stack[1:] == stack[1:]] or truths
        return near[-1] if near else None
    if not stack:
        same = [read for read in changed if _holds(read.old, difference.old) and _holds(read.new, difference.new)]
        return (same or list(changed) or [None])[-1]  # type: ignore[list-item]
    if difference.kind == CHOICE or isinstance(difference.old, bool):
        return find_source(stack, statement_names(stack[0]), truths)
    if not isinstance(difference.old, (int, float)):
        return None
    numbers = [
        read
        for read in changed
        if (isinstance(read.old, (int, float)) and not isinstance(read.old, bool))
        or (isinstance(read.old, tuple) and _holds(read.old, difference.old) and _holds(read.new, difference.new))
    ]
    same = [read for read in numbers if (read.old, read.new) == (difference.old, difference.new)]
    handed = [read for read in changed if read.name in HANDED_TO_NUMPY]
    names = statement_names(stack[0])
    return find_source(stack, names, same or numbers) or find_source(stack, names, handed)


def _holds(read: Any, value: Any) -> bool:
    """Whether what Python read is a value, or a list with it."""
    if isinstance(read, tuple):
        return any(_holds(item, value) for item in read)
    return isinstance(value, (bool, int, float)) and bool(read == value)


def _follows(old: Any, new: Any, sizes: tuple[int, int] | None) -> Points:
    """Score how well a change of a number, or of a constant's shape, follows the change of an axis."""
    if sizes is None or sizes[0] == sizes[1]:
        return ()
    if hasattr(old, "shape") and hasattr(new, "shape"):
        pairs = [(a, b) for a, b in zip(old.shape, new.shape) if a != b] if old.dim() == new.dim() else []
        return max((_follows(a, b, sizes) for a, b in pairs), default=())
    start, end = int_or_none(old), int_or_none(new)
    if start is None or end is None:
        return ((10.0, "a number that is not whole"),) if isinstance(old, float) and isinstance(new, float) else ()
    if (start, end) == sizes:
        return ((40.0, "it is the size itself"),)
    if (end - start) % (sizes[1] - sizes[0]) == 0:
        return ((25.0, "it moves with the size"),)
    return ((10.0, "a whole number"),)


def _structure(group: Group, sizes: tuple[int, int] | None) -> Finding:
    if all(operation.kind in NEUTRAL for operation in group.operations):
        return Finding(group.reason.stack, group.describe(), (_NEUTRAL,), group.order)
    points = [_KINDS[STRUCTURE]]
    step = abs(sizes[1] - sizes[0]) if sizes else 0
    if group.reason.loop and step and len(group.operations) % step == 0:
        points.append((15.0, "a loop that turned as often as the size moved"))
    if group.reason.read is not None:
        points.append((10.0, "Python read something else there"))
    return Finding(group.reason.stack, group.describe(), tuple(points), group.order)


def _rank(findings: Iterable[Finding]) -> list[Cause]:
    """Join the findings of a line and order the lines by their best."""
    lines: dict[tuple[str, int], list[Finding]] = defaultdict(list)
    findings = list(findings)
    for finding in [item for item in findings if _NEUTRAL not in item.points] or findings:
        place = (finding.stack[0].file, finding.stack[0].line) if finding.stack else ("", 0)
        lines[place].append(finding)
    ranked = sorted(
        lines.values(), key=lambda found: (-max(item.score for item in found), min(item.order for item in found))
    )
    return [make_cause(found[0].stack, _join_evidence(found), found[0].operation) for found in ranked[:MOST_CAUSES]]


def _join_evidence(found: Sequence[Finding], most: int = 3) -> str:
    best = sorted(found, key=lambda finding: (-finding.score, finding.order))
    texts = list(dict.fromkeys(finding.evidence for finding in best))
    texts = [text for text in texts if not any(other.startswith(f"{text}, ") for other in texts)]
    rest = f", and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + rest
