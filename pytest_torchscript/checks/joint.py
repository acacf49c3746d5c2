"""The check `joint`: the export equals eager with all axes moving at once."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import MOVES, OUTPUTS, SHAPES
from pytest_torchscript.checks.registry import check
from pytest_torchscript.lab.draw import EXAMPLES, FEW, draw_sizes, examples_wanted
from pytest_torchscript.lab.evidence import cause_lines
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.sizes import CHEAP_VOLUME, format_sizes, smallest_failing, volume, within
from pytest_torchscript.lab.trial import DIFFERS, RAISES, REFUSED, Trial, TrialLog
from pytest_torchscript.results import JointResult
from pytest_torchscript.spec import Axis

#: What is drawn where no two axes can meet costs so many times less than the corner, which was tried.
_CHEAPER = 4


@check("joint", order=60, asks=2, needs=(*SHAPES, OUTPUTS, MOVES))
def check_joint(lab: Lab) -> Finding:
    """The export equals eager with all axes moving at once.

    At their lower corner, and at what hypothesis draws.
    An axis that is wrong when it moves alone is told by its own test: here it stays at the anchor.
    """
    held, log = sorted(beyond := lab.bench.moved_beyond()), TrialLog()
    while True:
        axes = {name: axis for name, axis in lab.spec.moving.items() if name not in held}
        if len(axes) < 2:
            how = "out of reach" if beyond else "wrong"
            beside = f" beside {', '.join(held)}, {how} when moved alone: see its test_axis" if held else ""
            return Finding.skipped(
                f"fewer than two axes move{beside}", joint=JointResult(log.entries) if log.entries else None
            )
        joint, tried = _first_joint_failure(lab, axes, log)
        if joint is None:
            break
        alone = [name for name, size in joint.items() if _fails(lab.bench.afforded({**lab.sizes, name: size}))]
        if not alone:
            return _joint_failure(lab, joint, log)
        held += alone
    if not tried:
        return Finding.skipped("eager takes none of the joint sizes drawn", joint=JointResult(log.entries))
    return Finding.passed(f"{tried} joint sizes of {', '.join(axes)}", joint=JointResult(log.entries))


def _first_joint_failure(lab: Lab, axes: Mapping[str, Axis], log: TrialLog) -> tuple[dict[str, int] | None, int]:
    """Return the first joint sizes that fail, and how many eager took before."""
    smallest = {name: axis.first for name, axis in axes.items()}
    largest = {name: lab.subject.affordable(name).last for name in axes}
    # What the widest axis costs with one row: its own test goes no further either, and memory has an end.
    limit = max(*(volume({**lab.sizes, **smallest, name: size}) for name, size in largest.items()), CHEAP_VOLUME)
    tried = 0
    # What one axis alone decides its own test finds: without two that could meet in a branch little is left to draw for.
    deciding = [name for name in axes if lab.evidence.suspect_axis(name).deciding]
    usual, spent = (EXAMPLES, limit) if len(deciding) > 1 else (FEW + 1, max(limit // _CHEAPER, volume(lab.sizes)))
    drawn = draw_sizes(axes, examples_wanted(lab.settings, usual) - 1, lab.settings.seed)
    for most, sizes in [(limit, smallest), (limit, largest), *((spent, sizes) for sizes in drawn)]:
        joint = within(most, {**lab.sizes, **sizes}, axes)
        trial = log.note(joint, lab.bench.at(joint))
        if trial.fails:
            return joint, tried
        tried += trial.status != REFUSED
    return None, tried


def _fails(trial: Trial | None) -> bool:
    return trial is not None and trial.fails


def _joint_failure(lab: Lab, joint: Mapping[str, int], log: TrialLog) -> Finding:
    status = lab.bench.at(joint).status

    def fails(sizes: Mapping[str, int]) -> bool:
        trial = lab.bench.afforded(sizes)  # what was found is told, shrunk or not
        return trial is not None and log.note(sizes, trial).status == status

    smallest = smallest_failing(joint, fails, lab.spec.moving)
    moved = next((name for name in smallest if smallest[name] != lab.sizes[name]), next(iter(smallest)))
    verb = {DIFFERS: "wrong", RAISES: "raises"}[status]
    return Finding.failed(
        f"all axes at once: {lab.made} at {format_sizes(lab.sizes)}, {verb} at {format_sizes(smallest)}",
        [*lab.bench.at(smallest).lines, *cause_lines(lab.evidence.causes_at(moved, smallest))],
        "see the test of each axis; declare the axes that are meant to be fixed with --torchscript-axis NAME=SIZE",
        joint=JointResult(log.entries, dict(smallest)),
    )
