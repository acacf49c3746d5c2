"""What a Neuron backend means for the checks: which of them can say anything, and how their answers are called."""

from __future__ import annotations

from dataclasses import replace

from pytest_torchscript.backends.base import Backend
from pytest_torchscript.backends.neuron.common import NeuronBackendBase
from pytest_torchscript.backends.neuron.detect import choose_backend
from pytest_torchscript.backends.neuron.generations import GENERATIONS
from pytest_torchscript.backends.neuron.plan import EMULATE, EMULATED
from pytest_torchscript.backends.registry import backend_class
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.settings import Settings


def neuron_backend(settings: Settings) -> NeuronBackendBase:
    """Return the Neuron backend of a run: the one asked for by name, else the one whose package and device are here."""
    named = [name for name in settings.backends if name in GENERATIONS]
    status = None if named else choose_backend()
    name = named[0] if named else status.backend if status else "neuron"
    chosen = backend_class(name)
    assert issubclass(chosen, NeuronBackendBase)
    return chosen(chosen.options_from(settings), status=status)


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
