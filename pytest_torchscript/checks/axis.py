"""The check `axis`: does the artifact move along an axis as eager does? Explore, shrink, name the cause, give the verdict."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import MOVES, OUTPUTS, SHAPES
from pytest_torchscript.checks.padding import padding_helps
from pytest_torchscript.checks.registry import AXIS, check
from pytest_torchscript.compare.messages import describe
from pytest_torchscript.lab.draw import draw_sizes, examples_wanted
from pytest_torchscript.lab.evidence import Suspicion
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.sizes import format_sizes, sizes_worth_trying, smallest_failing, volume
from pytest_torchscript.lab.trial import AGREES, DIFFERS, RAISES, REFUSED, UNDECIDABLE, Trial
from pytest_torchscript.results import DIVERGES, DYNAMIC, FIXED, STATIC, AxisResult
from pytest_torchscript.spec import Axis

#: Sizes whose product is above this are run with one row: a wide range must not mean a wide cost.
DEAR_VOLUME = 2048
#: After so many sizes that tell nothing, and none that does, the others are not asked.
_ENOUGH = 3


@dataclass
class Exploration:
    """The sizes of one axis that were tried, others at the anchor, and what became of each."""

    trials: dict[int, Trial] = field(default_factory=dict)

    def sizes(self, *statuses: str) -> list[int]:
        """Return the sizes with one of these outcomes, ascending."""
        return sorted(size for size, trial in self.trials.items() if trial.status in statuses)

    @property
    def accepted(self) -> list[int]:
        """The sizes that eager takes."""
        return sorted(size for size, trial in self.trials.items() if trial.status != REFUSED)


@check("axis", order=40, over=AXIS, needs=(*SHAPES, OUTPUTS, MOVES))
def check_axis(lab: Lab, name: str) -> Finding:
    """The export equals eager at every size tried of one axis.

    At its ends, around every suspicious number, and at drawn sizes; other axes stay at the anchor.
    """
    axis = lab.spec.axes[name]
    if axis.sizes:
        return _declared(axis)
    suspicion = lab.evidence.suspect_axis(name)
    found = explore(lab, axis, suspicion)
    result = AxisResult(name, axis.min, axis.max, tried=found.accepted)
    if lab.subject.meta and not found.sizes(DIFFERS, RAISES):
        result.causes, result.reason = list(suspicion.causes), "without weights only shapes can be compared"
        return Finding.skipped(f"axis {name!r} is untested: {result.reason}", axis=result)
    if found.sizes(DIFFERS, RAISES):
        return _failure(lab, axis, found, suspicion, result)
    undecided, right = found.sizes(UNDECIDABLE), found.sizes(AGREES)
    told = [size for size in right if size != lab.sizes[name]]
    if undecided and len(undecided) >= len(told) and not (told and found.trials[undecided[0]].comparison is None):
        why = found.trials[undecided[0]].error or "eager's own rounding noise hides any answer"
        result.reason = f"undecidable at {name}={undecided}: {why}"
        return Finding.skipped(f"axis {name!r} is untested: {result.reason}", axis=result)
    if right in ([], [lab.sizes[name]]):
        return _immovable(lab, found, result)
    result.verdict = DYNAMIC
    return Finding.passed(_domain(axis, found, suspicion), axis=result)


def _declared(axis: Axis) -> Finding:
    listed = ", ".join(str(size) for size in axis.sizes)
    reason = f"declared fixed at {listed}" if axis.fixed is not None else f"declared in buckets of {listed}"
    return Finding.passed(reason, axis=AxisResult(axis.name, axis.min, axis.max, reason=reason))


def explore(lab: Lab, axis: Axis, suspicion: Suspicion) -> Exploration:
    """Try sizes in ascending order, then what hypothesis draws; stop at the first wrong answer.

    An artifact that raises is not the last word: `diverges` wins over `fixed`, so the search for a wrong answer goes on
    over the listed sizes, but hypothesis draws no more.
    """
    found = Exploration({lab.sizes[axis.name]: lab.bench.at(lab.sizes)})
    numbers = [number for number in lab.subject.windows if axis.allows(number)]
    for size in sizes_worth_trying(axis, lab.sizes[axis.name], hints=suspicion.hints, numbers=numbers):
        if _try(lab, axis, found, size).status == DIFFERS:
            return found
        if len(found.sizes(UNDECIDABLE)) >= _ENOUGH and not _moves(lab, axis, found):
            break
    if found.sizes(UNDECIDABLE) and not _moves(lab, axis, found):
        for size in (2 * lab.sizes[axis.name], 3 * lab.sizes[axis.name]):  # the example may stand there as a whole
            if axis.allows(size) and _try(lab, axis, found, size).status == DIFFERS:
                return found
        if not _moves(lab, axis, found):
            return found
    for size in _edges(lab, axis, found):
        if _try(lab, axis, found, size).status == DIFFERS:
            return found
    if not found.sizes(RAISES, DIFFERS, UNDECIDABLE):
        for sizes in draw_sizes({axis.name: _learned(axis, found)}, examples_wanted(lab.settings), lab.settings.seed):
            if _try(lab, axis, found, sizes[axis.name]).fails:
                break
    return found


def _moves(lab: Lab, axis: Axis, found: Exploration) -> bool:
    """Whether the artifact is right at some other size."""
    return any(size != lab.sizes[axis.name] for size in found.sizes(AGREES))


def _try(lab: Lab, axis: Axis, found: Exploration, size: int) -> Trial:
    if size not in found.trials:
        found.trials[size] = lab.bench.at(_affordable(lab, axis, size))
    return found.trials[size]


def _affordable(lab: Lab, axis: Axis, size: int) -> dict[str, int]:
    """Return the sizes to run: others at the anchor, but one row instead of a batch where that is dear.

    Only where the artifact is right about one row: else a failure could be the batch's.
    """
    sizes = {**lab.sizes, axis.name: size}
    batch = lab.spec.moving.get("batch")
    if axis.name == "batch" or batch is None or volume(sizes) <= DEAR_VOLUME:
        return sizes
    one_row = lab.bench.at({**lab.sizes, "batch": batch.first})
    return {**sizes, "batch": batch.first} if one_row.status == AGREES else sizes


def _edges(lab: Lab, axis: Axis, found: Exploration) -> Iterator[int]:
    """Yield the largest size eager takes where it refused the end of the range: found by bisection, a refusal is cheap."""
    accepted, refused = found.accepted, found.sizes(REFUSED)
    above = [size for size in refused if accepted and size > accepted[-1]]
    if not above or accepted == [lab.sizes[axis.name]]:
        return
    low, high = accepted[-1], above[0]
    while high - low > axis.multiple_of:
        middle = (low + high) // 2 // axis.multiple_of * axis.multiple_of
        if lab.subject.refusal(_affordable(lab, axis, middle)):
            high = middle
        else:
            low = middle
    if low != accepted[-1]:
        yield low


def _learned(axis: Axis, found: Exploration) -> Axis:
    """Return the axis narrowed to what eager took."""
    accepted = found.accepted
    return Axis(
        axis.name, min=accepted[0], max=max(accepted[-1], accepted[0], axis.multiple_of), multiple_of=axis.multiple_of
    )


def _immovable(lab: Lab, found: Exploration, result: AxisResult) -> Finding:
    """Say `static` where eager itself takes that size only; `untested` where nothing else could be tried."""
    refused = found.sizes(REFUSED)
    if not refused:
        result.reason = "no other size in its range"
        return Finding.skipped(f"axis {result.axis!r} is untested: {result.reason}", axis=result)
    result.verdict = STATIC
    said = found.trials[refused[0]].error
    only = lab.sizes[result.axis]
    return Finding.passed(f"eager takes {result.axis}={only} only; at {refused[0]} it says: {said}", axis=result)


def _domain(axis: Axis, found: Exploration, suspicion: Suspicion) -> str:
    """Say which sizes eager took where that is not what was declared, and what the tracer suspected in vain."""
    lines = []
    refused = found.sizes(REFUSED)
    if refused:
        taken = found.accepted
        lines.append(f"eager takes {axis.name} from {taken[0]} to {taken[-1]}, and refused {refused}")
    if suspicion.causes:
        lines.append(f"note: graphs differ, answers do not: {suspicion.causes[0]}")
    return "\n".join(lines)


def _failure(lab: Lab, axis: Axis, found: Exploration, suspicion: Suspicion, result: AxisResult) -> Finding:
    status = DIFFERS if found.sizes(DIFFERS) else RAISES
    start = _affordable(lab, axis, found.sizes(status)[0])
    limit, kind = max(volume(start), volume(lab.sizes)), _kind(lab.bench.at(start))

    def fails(sizes: Mapping[str, int]) -> bool:
        # At the anchor's own size of this axis a failure would be another axis's.
        moved = sizes[axis.name] != lab.sizes[axis.name] and volume(sizes) <= limit
        trial = lab.bench.at(sizes) if moved else None
        return trial is not None and trial.status == status and _kind(trial) == kind

    smallest = smallest_failing(start, fails, lab.spec.moving)
    trial = lab.bench.at(smallest)
    result.verdict = DIVERGES if status == DIFFERS else FIXED
    result.counterexample, result.error = dict(smallest), trial.error or None
    result.max_abs_difference = trial.comparison.max_abs_difference if trial.comparison else None
    result.causes = lab.evidence.explain_axis(axis.name, smallest, suspicion, trial.raised)
    return Finding.failed(*_failure_text(lab, axis, found, result, trial), axis=result)


def _kind(trial: Trial) -> str:
    """Return what was raised, less its numbers: shrinking must not slip from one axis's error to another's."""
    return re.sub(r"\d+", "", trial.error)


def _failure_text(
    lab: Lab, axis: Axis, found: Exploration, result: AxisResult, trial: Trial
) -> tuple[str, list[str], str]:
    smallest = result.counterexample or {}
    anchor = f"{axis.name}={lab.sizes[axis.name]}"
    wrong = "diverges" if result.verdict == DIVERGES else "is fixed"
    verb = "wrong" if result.verdict == DIVERGES else "raises"
    headline = f"axis {axis.name!r} {wrong}: {lab.made} at {anchor}, {verb} at {format_sizes(smallest)}"
    evidence = describe(trial.comparison) if trial.comparison else [trial.error]
    near = min(found.sizes(AGREES), key=lambda size: abs(size - smallest[axis.name]), default=None)
    evidence[0] += f"; nearest size that agrees: {axis.name}={near}" if near is not None else ""
    evidence += lab.evidence.places(result.causes)
    then = "pad" if padding_helps(lab, axis.name) else "feed it that size alone"
    usual = (
        f"read the size from the tensor, without int() or float(), or declare --torchscript-axis {anchor} and {then}"
    )
    return headline, evidence, lab.evidence.advice(result.causes, usual)
