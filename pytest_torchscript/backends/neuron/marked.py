"""The Neuron device as tests with the marker `neuron` need it. Looking for it imports and opens nothing of it, nor torch."""

from __future__ import annotations

import os

from pytest_torchscript.backends.base import DeviceShare, MarkedDevice
from pytest_torchscript.backends.neuron.cores import assign_cores
from pytest_torchscript.backends.neuron.detect import status_of
from pytest_torchscript.backends.neuron.devices import find_devices, root_of
from pytest_torchscript.backends.neuron.generations import GENERATIONS
from pytest_torchscript.backends.neuron.plan import neuron_plan
from pytest_torchscript.settings import Settings


class NeuronDevice(MarkedDevice):
    """What was found for the generation that a run names, else for the one that can do most here."""

    def __init__(self, settings: Settings) -> None:
        status = status_of(settings)
        self.backend = status.backend
        self.asked = any(name in GENERATIONS for name in settings.backends)
        self.readiness = neuron_plan(settings.neuron, status)

    @staticmethod
    def is_here() -> bool:
        """Whether a character device of Neuron was seen."""
        return bool(find_devices(root_of(os.environ)).nodes)

    def share(self, worker: str | None, workers: int, run: str) -> DeviceShare:
        """Return the core of a worker; ``run`` is xdist's testrunuid. OptionError where there are more workers than cores."""
        return assign_cores(worker, workers, backend=self.backend, run=run)
