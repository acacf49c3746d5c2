"""Which of the two Neuron backends a run means where it names neither."""

from __future__ import annotations

from pytest_torchscript.backends.neuron.common import NeuronBackendBase
from pytest_torchscript.backends.neuron.detect import status_of
from pytest_torchscript.backends.registry import backend_class
from pytest_torchscript.settings import Settings


def neuron_backend(settings: Settings) -> NeuronBackendBase:
    """Return the Neuron backend of a run: the one asked for by name, else the one whose package and device are here."""
    status = status_of(settings)
    chosen = backend_class(status.backend)
    assert issubclass(chosen, NeuronBackendBase)
    return chosen(chosen.options_from(settings), status=status)
