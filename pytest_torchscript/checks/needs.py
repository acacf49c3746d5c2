"""What a check may need before it can say anything, and why that is not there: what fails is told once, by its own check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pytest_torchscript.backends.base import COMPILE, FAIL, SKIP
from pytest_torchscript.backends.registry import DEFAULT
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.errors import first_line
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.results import AxisResult

#: The backend can be used on this machine; its artifacts can be run here, not only made.
READY, ANSWERS = "ready", "answers"
#: The model holds weights; eager agrees with itself; there is an export at the main anchor.
WEIGHTS, STEADY, ARTIFACT = "weights", "steady", "artifact"
#: The traits of a backend, by their names in `Traits`.
MOVES, REEXPORTS, SAVES, TORCHSCRIPT = "moves", "reexports", "saves", "torchscript"

#: What it takes to compare shapes, and to compare answers.
SHAPES = (READY, ANSWERS, STEADY, ARTIFACT)
COMPARED = (*SHAPES, WEIGHTS)


def obstacle(lab: Lab, needs: Iterable[str], axis: str | None = None) -> Finding | None:
    """Return the skip of a check that cannot say anything here; None where it can. An axis is untested for that reason."""
    for need, missing in _MISSING.items():
        reason = missing(lab) if need in needs else ""
        if reason:
            return _skipped(lab, reason, axis)
    return None


def _skipped(lab: Lab, reason: str, axis: str | None) -> Finding:
    if axis is None or axis not in lab.spec.axes:
        return Finding.skipped(reason)
    known = lab.spec.axes[axis]
    return Finding.skipped(reason, axis=AxisResult(axis, known.min, known.max, reason=reason.splitlines()[0]))


def _not_ready(lab: Lab) -> str:
    if lab.readiness.action == FAIL:
        return "no device, see test_trace"
    return lab.readiness.message if lab.readiness.action == SKIP else ""


def _no_weights(lab: Lab) -> str:
    return "needs values; weights=meta holds none" if lab.subject.meta else ""


def _no_answers(lab: Lab) -> str:
    return lab.readiness.reason if lab.readiness.action == COMPILE else ""


def _unsteady(lab: Lab) -> str:
    return lab.subject.steadiness.headline


def _no_artifact(lab: Lab) -> str:
    try:
        lab.export.artifact  # noqa: B018 - exporting is the question
    except Exception as error:
        return f"{without_artifact(lab)}: {first_line(error)}"
    return ""


def without_artifact(lab: Lab) -> str:
    """Return how the lack of an export is told: without weights a model that reads some of its own may have none."""
    return "cannot be traced without weights" if lab.subject.meta else "no artifact, see test_trace"


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
    REEXPORTS: _lacks(REEXPORTS, "{backend} exports once; check it with {default}"),
    SAVES: _lacks(SAVES, "an artifact of {backend} is not saved"),
    TORCHSCRIPT: _lacks(TORCHSCRIPT, "an artifact of {backend} is no TorchScript module"),
    STEADY: _unsteady,
    ARTIFACT: _no_artifact,
}
