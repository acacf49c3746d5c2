"""What a check may need before it can say anything, and why that is not there: what fails is told once, by its own check
(checks/answers.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from pytest_torchscript.backends.base import COMPILE, SKIP
from pytest_torchscript.backends.registry import DEFAULT
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.common.room import free_memory
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.models.weights import are_many, bytes_of_weights
from pytest_torchscript.results import AxisResult

#: The backend can be used on this machine; its artifacts can be run here, not only made.
READY, ANSWERS = "ready", "answers"
#: The model holds weights; eager agrees with itself; there is an export at the main anchor; it is right for the very inputs
#: it was made with, or it answers to them at least.
WEIGHTS, STEADY, ARTIFACT, OUTPUTS, OUTPUT = "weights", "steady", "artifact", "outputs", "output"
#: Eager's own answer is finite, or was not made so by half precision: where both sides are NaN nothing is compared.
FINITE = "finite"
#: The traits of a backend, by their names in `Traits`.
MOVES, REEXPORTS, SAVES, TORCHSCRIPT = "moves", "reexports", "saves", "torchscript"

#: What it takes to compare shapes, and to compare answers.
SHAPES = (READY, ANSWERS, STEADY, FINITE, ARTIFACT)
COMPARED = (*SHAPES, WEIGHTS)


def obstacle(lab: Lab, needs: Iterable[str], axis: str | None = None) -> Finding | None:
    """Return the skip of a check that cannot say anything here; None where it can. An axis is untested for that reason."""
    if lab.lost:
        return of_axis(lab, axis, Finding.skipped(lab.lost), lab.lost)
    for need, missing in _MISSING.items():
        reason = missing(lab) if need in needs else ""
        if reason:
            return of_axis(lab, axis, Finding.skipped(reason), reason.splitlines()[0])
    return None


def of_axis(lab: Lab, axis: str | None, finding: Finding, reason: str) -> Finding:
    """Return a finding that says, where it is about an axis, that the axis is untested and why."""
    if axis is None or axis not in lab.spec.axes:
        return finding
    known = lab.spec.axes[axis]
    return replace(finding, axis=AxisResult(axis, known.min, known.max, reason=reason))


def without_room(lab: Lab, copies: float, axis: str | None = None) -> Finding | None:
    """Return the skip of a check that holds so many ``copies`` of the weights, where they are many and do not fit."""
    module = lab.subject.loaded.module
    if not copies or lab.subject.meta or not are_many(module):
        return None
    free = free_memory(None if lab.settings.memory is None else lab.settings.memory * 1e9)
    needed = copies * bytes_of_weights(module)
    if free is None or needed <= free:
        return None
    said = f"would take {needed / 1e9:.1f} GB, {copies:g} more copies of the weights, and {free / 1e9:.1f} GB are free"
    return of_axis(lab, axis, Finding.skipped(said), said)


def _not_ready(lab: Lab) -> str:
    return lab.readiness.message if lab.readiness.action == SKIP else ""


def _no_weights(lab: Lab) -> str:
    return "needs values; weights=meta holds none" if lab.subject.meta else ""


def _not_finite(lab: Lab) -> str:
    overflow = lab.subject.overflow
    return f"undecidable: {overflow.said}" if overflow.whole else ""


def _no_answers(lab: Lab) -> str:
    return lab.readiness.reason if lab.readiness.action == COMPILE else ""


def _lacks(trait: str, usual: str) -> Callable[[Lab], str]:
    def missing(lab: Lab) -> str:
        if getattr(lab.backend.traits, trait):
            return ""
        said = lab.backend.lacks.get(trait, usual)
        return said.format(backend=lab.backend.name, default=DEFAULT)

    return missing


#: In the order in which they are looked at: what costs nothing first.
_MISSING: Mapping[str, Callable[[Lab], str]] = {
    READY: _not_ready,
    WEIGHTS: _no_weights,
    MOVES: _lacks(MOVES, "an artifact of {backend} has fixed shapes; check the axes with {default}"),
    ANSWERS: _no_answers,
    FINITE: _not_finite,
    REEXPORTS: _lacks(REEXPORTS, "{backend} exports once; check it with {default}"),
    SAVES: _lacks(SAVES, "an artifact of {backend} is not saved"),
    TORCHSCRIPT: _lacks(TORCHSCRIPT, "an artifact of {backend} is no TorchScript module"),
}
