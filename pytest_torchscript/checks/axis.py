"""The check `axis`: does the artifact move along an axis as eager does? Explore, shrink, name the cause, give the verdict."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_torchscript.backends.base import Spent
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import MOVES, OUTPUTS, SHAPES
from pytest_torchscript.checks.padding import padding_helps
from pytest_torchscript.checks.registry import AXIS, check
from pytest_torchscript.compare.messages import describe
from pytest_torchscript.errors import MachineFailure
from pytest_torchscript.lab.draw import EXAMPLES, FEW, draw_sizes, examples_wanted
from pytest_torchscript.lab.evidence import Suspicion, is_branch
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.sizes import format_sizes, smallest_failing, volume
from pytest_torchscript.lab.trial import AGREES, BEYOND, DIFFERS, RAISES, REFUSED, UNDECIDABLE, Trial, TrialLog
from pytest_torchscript.results import DIVERGES, DYNAMIC, ERROR, FIXED, STATIC, AxisResult
from pytest_torchscript.spec import NARROW, Axis

#: Sizes whose product is above this are run with one row: a wide range must not mean a wide cost.
DEAR_VOLUME = 256
#: After so many sizes that tell nothing, and none that does, the others are not asked.
_ENOUGH = 3
#: Where memory ends, so many sizes between the last that ran and the first that did not are tried.
_HALVINGS = 3


@dataclass
class Exploration:
    """One axis of a model, others at the anchor: the sizes that were tried, and what became of each.

    ``needed`` are those without which no verdict is given; ``beyond`` those that there was no memory for; ``fed`` counts the
    numbers of all inputs, of which the search has so many and no more.
    """

    lab: Lab
    axis: Axis
    trials: dict[int, Trial] = field(default_factory=dict)
    needed: set[int] = field(default_factory=set)
    beyond: dict[int, MachineFailure] = field(default_factory=dict)
    log: TrialLog = field(default_factory=TrialLog)
    fed: int = 0

    def sizes(self, *statuses: str) -> list[int]:
        """Return the sizes with one of these outcomes, ascending."""
        return sorted(size for size, trial in self.trials.items() if trial.status in statuses)

    @property
    def accepted(self) -> list[int]:
        """The sizes that eager takes."""
        return sorted(size for size, trial in self.trials.items() if trial.status != REFUSED)

    @property
    def enough(self) -> bool:
        """Whether every size was tried that a verdict needs."""
        return all(size in self.trials for size in self.needed if size > 0 and self.axis.allows(size))

    @property
    def right(self) -> list[int]:
        """The sizes beside the anchor's that the artifact is right at."""
        return [size for size in self.sizes(AGREES) if size != self.lab.sizes[self.axis.name]]

    def explore(self, suspicion: Suspicion) -> None:
        """Try few sizes where the graph is clear and all of them agree; else all that are worth it."""
        lab, axis = self.lab, self.axis
        anchor = lab.sizes[axis.name]
        self.trials[anchor] = self.at(lab.sizes)
        few = axis.few(anchor, suspicion.hints)
        if not suspicion.few or not all(self.ask(size).status == AGREES for size in few):
            self.search(suspicion)
        elif few and axis.last - axis.first > NARROW:
            self.draw(axis, usual=FEW)

    def search(self, suspicion: Suspicion) -> None:
        """Try sizes in ascending order, then what hypothesis draws; stop at the first wrong answer.

        An artifact that raises is not the last word: `diverges` wins over `fixed`, so the search for a wrong answer goes on
        over the listed sizes, but hypothesis draws no more.
        """
        if self.sizes(DIFFERS):
            return
        lab, axis = self.lab, self.axis
        anchor = lab.sizes[axis.name]
        numbers = [number for number in lab.subject.windows if axis.allows(number)]
        self.needed = {axis.first, axis.last, 1, anchor - axis.multiple_of, anchor + axis.multiple_of, *suspicion.hints}
        listed = axis.worth_trying(anchor, hints=suspicion.hints, numbers=numbers)
        if lab.backend.budget is not None:  # it may end before the rest
            listed.sort(key=lambda size: size not in self.needed)
        whole = {2 * anchor, 3 * anchor}  # the example may stand there as a whole
        if suspicion.causes:
            listed = sorted({*listed, *filter(axis.allows, whole)})
        for size in listed:
            if suspicion.causes and len(self.sizes(RAISES)) >= _ENOUGH and size not in self.needed | whole:
                continue  # the line is known: what is left is whether the artifact answers anywhere, and wrongly
            if size not in self.needed and self.spent_by(size):
                continue
            if self.ask(size).status == DIFFERS:
                return
            if len(self.sizes(UNDECIDABLE)) >= _ENOUGH and not self.right:
                break
        if self.sizes(UNDECIDABLE) and not self.right:
            for size in sorted(whole):
                if axis.allows(size) and self.ask(size).status == DIFFERS:
                    return
            if not self.right:
                return
        # A reshape to baked numbers that infers what is left takes twice its size, and gives more of another dim.
        if self.sizes(RAISES) and axis.allows(2 * anchor) and self.ask(2 * anchor).status == DIFFERS:
            return
        for _ in range(_HALVINGS):  # up to where the memory ends, nearly
            if not self.beyond or self.sizes(RAISES, DIFFERS):
                break
            middle = (self.accepted[-1] + min(self.beyond)) // 2 // axis.multiple_of * axis.multiple_of
            if middle in self.trials or not axis.allows(middle) or self.ask(middle).status == DIFFERS:
                break
        if self.sizes(DIFFERS):
            return
        for end in (self.edge(), self.smallest()):
            if end is not None and self.ask(end).status == DIFFERS:
                return
        if not self.sizes(RAISES, DIFFERS, UNDECIDABLE):
            first, last = self.accepted[0], max(self.accepted[-1], self.accepted[0], axis.multiple_of)
            self.draw(Axis(axis.name, min=first, max=last, multiple_of=axis.multiple_of))

    def draw(self, axis: Axis, *, usual: int = EXAMPLES) -> None:
        """Try sizes that hypothesis draws from an axis, up to the first that fails."""
        settings = self.lab.settings
        for sizes in draw_sizes({axis.name: axis}, examples_wanted(settings, usual), settings.seed):
            if not self.spent_by(sizes[axis.name]) and self.ask(sizes[axis.name]).fails:
                break

    def spent_by(self, size: int) -> bool:
        """Whether one more size, beside those that are needed, is more than the search is worth: twice the most that is fed at
        once."""
        subject = self.lab.subject
        wanted = {size, *(other for other in self.needed - self.trials.keys() if self.axis.allows(other))}
        cost = sum(subject.fed({**self.lab.sizes, self.axis.name: other}) for other in wanted)
        return self.fed + cost > 2 * subject.most_fed

    def ask(self, size: int) -> Trial:
        """Run both sides at one size, once. Where there was no room for a smaller one nothing is run."""
        if size in self.trials:
            return self.trials[size]
        if self.beyond and size >= min(self.beyond):
            return Trial(BEYOND)
        try:
            sizes = self.affordable(size)
            self.fed += self.lab.subject.fed(sizes)
            self.trials[size] = self.at(sizes)
        except MachineFailure as failed:
            if not failed.no_room:
                raise
            self.beyond[size] = failed
            return Trial(BEYOND)
        return self.trials[size]

    def at(self, sizes: Mapping[str, int]) -> Trial:
        """Run both sides at these sizes of all axes, and keep that it was tried."""
        return self.log.note(sizes, self.lab.bench.at(sizes))

    def affordable(self, size: int) -> dict[str, int]:
        """Return the sizes to run: others at the anchor, but one row instead of a batch where that is dear.

        Only where the artifact is right about one row: else a failure could be the batch's.
        """
        sizes = {**self.lab.sizes, self.axis.name: size}
        batch = self.lab.spec.moving.get("batch")
        if self.axis.name == "batch" or batch is None or volume(sizes) <= DEAR_VOLUME:
            return sizes
        one_row = self.lab.bench.at({**self.lab.sizes, "batch": batch.first})
        return {**sizes, "batch": batch.first} if one_row.status == AGREES else sizes

    def edge(self) -> int | None:
        """Return the largest size eager takes where it refused the end of the range: found by bisection, a refusal is
        cheap. None where it is known already."""
        accepted, step = self.accepted, self.axis.multiple_of
        above = [size for size in self.sizes(REFUSED) if accepted and size > accepted[-1]]
        if not above or self.beyond or accepted == [self.lab.sizes[self.axis.name]]:
            return None
        low, high = accepted[-1], above[0]
        while high - low > step:
            middle = (low + high) // 2 // step * step
            if self.lab.subject.refusal(asked := self.affordable(middle)):
                self.log.note(asked, Trial(REFUSED))
                high = middle
            else:
                low = middle
        return low if low != accepted[-1] else None

    def smallest(self) -> int | None:
        """Return the smallest size that eager may take where it refused the start of the range: sizes that have a divisor in
        common may go down to that. None where it is known already."""
        accepted, refused = self.accepted, self.sizes(REFUSED)
        if not accepted:
            return None
        step = math.gcd(*accepted)
        size = -(-self.axis.min // step) * step
        return size if refused and step > self.axis.multiple_of and size < accepted[0] and size not in refused else None


@check("axis", order=40, asks=4, over=AXIS, needs=(*SHAPES, OUTPUTS, MOVES))
def check_axis(lab: Lab, name: str) -> Finding:
    """The export equals eager at every size tried of one axis.

    At its ends, around every suspicious number, and at drawn sizes; other axes stay at the anchor.
    """
    axis = lab.spec.axes[name]
    result = AxisResult(name, axis.min, axis.max)

    def untested(reason: str) -> Finding:
        result.reason = reason
        return Finding.skipped(f"axis {name!r} is untested: {reason}", axis=result)

    if axis.sizes:
        listed = ", ".join(str(size) for size in axis.sizes)
        result.reason = f"declared fixed at {listed}" if axis.fixed is not None else f"declared in buckets of {listed}"
        return Finding.passed(result.reason, axis=result)
    suspicion = lab.evidence.suspect_axis(name)
    within = lab.subject.affordable(name, suspicion.hints)
    found = Exploration(lab, within)
    ended = ""
    try:
        found.explore(suspicion)
    except MachineFailure as failed:
        if not isinstance(failed.error, Spent):
            raise
        ended = failed.error.message
    result.tried, result.tried_at = found.accepted, found.log.entries
    if found.sizes(DIFFERS, RAISES):
        return _failure(found, suspicion, result)
    if found.beyond:
        return _no_room(found, result)
    if ended and not found.enough:
        return untested(ended)
    if lab.subject.meta:
        result.causes = list(suspicion.causes)
        return untested("without weights only shapes can be compared")
    undecided, refused = found.sizes(UNDECIDABLE), found.sizes(REFUSED)
    if undecided and len(undecided) >= len(found.right):
        first = found.trials[undecided[0]]
        if not found.right or first.comparison is not None:
            why = first.error or "eager's own rounding noise hides any answer"
            return untested(f"undecidable at {name}={undecided}: {why}")
    if not found.right and not refused:
        return untested("no other size in its range")
    if not found.right:
        result.verdict = STATIC
        said = found.trials[refused[0]].error
        return Finding.passed(
            f"eager takes {name}={lab.sizes[name]} only; at {refused[0]} it says: {said}", axis=result
        )
    result.verdict = DYNAMIC
    lines = [f"note: {ended}; the sizes that a verdict needs were tried"] if ended else []
    if within.last < axis.last and not refused:
        lines.append(f"note: up to {name}={within.last}: what is fed beyond that costs more than its verdict is worth")
    if refused:
        taken = found.accepted
        lines.append(f"eager takes {name} from {taken[0]} to {taken[-1]}, and refused {refused}")
    if suspicion.causes:
        lines.append(f"note: graphs differ, answers do not: {suspicion.causes[0]}")
    return Finding.passed("\n".join(lines), axis=result)


def _no_room(found: Exploration, result: AxisResult) -> Finding:
    """Tell of the smallest size that there was no memory for, and how far it was right below that."""
    size = min(found.beyond)
    failed = found.beyond[size].error
    name, right = found.axis.name, found.sizes(AGREES)
    below = f"right at {len(right)} sizes up to {name}={right[-1]}" if right else "no smaller size was compared"
    result.reason = f"{failed.message}; {below}"
    return Finding(
        ERROR, f"axis {name!r}: {failed.message}", (*failed.evidence, below), failed.hint or "see above", axis=result
    )


def _failure(found: Exploration, suspicion: Suspicion, result: AxisResult) -> Finding:
    """Shrink a failure over all axes, name its cause, and tell it."""
    lab, axis = found.lab, found.axis
    status = DIFFERS if found.sizes(DIFFERS) else RAISES
    start = found.affordable(found.sizes(status)[0])
    limit = max(volume(start), volume(lab.sizes))
    agreed = [size for size in found.sizes(AGREES) if size < start[axis.name]]
    right = max(agreed, default=0) if suspicion.alone else 0

    def kind(trial: Trial) -> str:
        # What was raised, less its numbers: shrinking must not slip from one axis's error to another's.
        return re.sub(r"\d+", "", trial.error)

    def fails(sizes: Mapping[str, int]) -> bool:
        # At the anchor's own size of this axis a failure would be another axis's.
        size = sizes[axis.name]
        if size == lab.sizes[axis.name] or volume(sizes) > limit:
            return False
        if size <= right:  # what changes there was tried
            return False
        trial = lab.bench.afforded(sizes)  # what was found is told, shrunk or not
        if trial is not None:
            found.log.note(sizes, trial)
        return trial is not None and trial.status == status and kind(trial) == kind(lab.bench.at(start))

    smallest = smallest_failing(start, fails, lab.spec.moving)
    trial = found.at(smallest)
    result.tried_at = found.log.entries
    result.verdict = DIVERGES if status == DIFFERS else FIXED
    result.counterexample, result.error = dict(smallest), trial.error or None
    result.max_abs_difference = trial.comparison.max_abs_difference if trial.comparison else None
    result.causes = lab.evidence.explain_axis(axis.name, smallest, suspicion, trial.raised)

    anchor = f"{axis.name}={lab.sizes[axis.name]}"
    wrong, verb = ("diverges", "wrong") if status == DIFFERS else ("is fixed", "raises")
    evidence = describe(trial.comparison) if trial.comparison else [trial.error]
    near = min(found.sizes(AGREES), key=lambda size: abs(size - smallest[axis.name]), default=None)
    evidence[0] += f"; nearest size that agrees: {axis.name}={near}" if near is not None else ""
    then = "pad" if padding_helps(lab, axis.name) else "feed it that size alone"
    branch = bool(result.causes) and is_branch(result.causes[0])
    keep = (
        "a branch on the size was frozen: put it into a function under torch.jit.script"
        if branch
        else "read the size from the tensor, without int(), float() or len()"
    )
    usual = f"{keep}, or declare --torchscript-axis {anchor} and {then}"
    return Finding.failed(
        f"axis {axis.name!r} {wrong}: {lab.made} at {anchor}, {verb} at {format_sizes(smallest)}",
        [*evidence, *trial.late, *lab.evidence.places(result.causes)],
        lab.evidence.advice(result.causes, usual),
        axis=result,
    )
