"""The checks that only Neuron has. They belong to the ring of checks, and are found by its registry."""

from pytest_torchscript.backends.neuron.checks.on_device import check_neuron

__all__ = ["check_neuron"]
