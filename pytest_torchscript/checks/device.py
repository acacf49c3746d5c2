"""What a Neuron backend means for the checks: which of them can say anything, and how their answers are called."""

from __future__ import annotations

from dataclasses import replace

from pytest_torchscript.backends.base import Backend
from pytest_torchscript.backends.neuron.common import NeuronBackendBase
from pytest_torchscript.backends.neuron.detect import choose_backend
from pytest_torchscript.backends.neuron.generations import GENERATIONS
from pytest_torchscript.backends.neuron.plan import COMPILE, EMULATE, EMULATED, FAIL, RUN, SKIP
from pytest_torchscript.backends.registry import backend_class
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.results import AxisResult
from pytest_torchscript.settings import Settings

#: Ask for other sizes than the compiled ones, or change the graph.
_MOVING = ("axis", "joint", "anchors")
#: Would compile once more for each variant, or ask for another form of the artifact.
_OF_THE_TRACE = {
    "save_load": "test_neuron saves it, loads it and asks it again",
    "freeze": "a compiled artifact is frozen already",
    "hidden_states": "another compilation; check it with torchscript",
    "attentions": "another compilation; check it with torchscript",
    "speed": "eager on the CPU is no measure for a device",
}
#: Need no run of the artifact.
_UNRUN = ("trace", "determinism", "sensitivity")


def neuron_backend(settings: Settings) -> NeuronBackendBase:
    """Return the Neuron backend of a run: the one asked for by name, else the one whose package and device are here."""
    named = [name for name in settings.backends if name in GENERATIONS]
    status = None if named else choose_backend()
    name = named[0] if named else status.backend if status else "neuron"
    chosen = backend_class(name)
    assert issubclass(chosen, NeuronBackendBase)
    return chosen(chosen.options_from(settings), status=status)


def device_obstacle(lab: Lab, check: str, axis: str | None = None) -> Finding | None:
    """Return why a check cannot say anything on a Neuron backend here; None where it can, and for other backends."""
    backend = lab.backend
    if not isinstance(backend, NeuronBackendBase) or check == "neuron":
        return None
    action = backend.plan.action
    if action == SKIP:
        return _skipped(lab, backend.plan.message, axis)
    if action == FAIL:
        return missing(backend) if check == "trace" else _skipped(lab, "no device, see test_trace", axis)
    if check in _MOVING:
        return _skipped(lab, f"an artifact of {backend.name} has fixed shapes; check the axes with torchscript", axis)
    if action == COMPILE and check not in _UNRUN:
        return _skipped(lab, backend.plan.reason, axis)
    if action == RUN and check in _OF_THE_TRACE:
        return _skipped(lab, _OF_THE_TRACE[check], axis)
    return None


def _skipped(lab: Lab, reason: str, axis: str | None) -> Finding:
    if axis is None or axis not in lab.spec.axes:
        return Finding.skipped(reason)
    known = lab.spec.axes[axis]
    return Finding.skipped(reason, axis=AxisResult(axis, known.min, known.max, reason=reason.splitlines()[0]))


def missing(backend: NeuronBackendBase) -> Finding:
    """Return the failure of a run that required what is not there."""
    return Finding.failed(backend.plan.reason, [], backend.plan.hint)


def labelled(backend: Backend, finding: Finding) -> Finding:
    """Call an emulated answer emulated, in its message, in the summary and in the record."""
    if not isinstance(backend, NeuronBackendBase) or backend.plan.action != EMULATE:
        return finding
    headline = finding.headline
    if "emulated" not in headline:
        headline = f"emulated on CPU: {headline}" if headline else "emulated on CPU"
    device = finding.device or {"backend": backend.name, "emulated": True, "compared": True, "note": EMULATED}
    note = f"{backend.name}: {EMULATED}"
    notes = finding.notes if note in finding.notes else (*finding.notes, note)
    return replace(finding, headline=headline, device=device, notes=notes)
