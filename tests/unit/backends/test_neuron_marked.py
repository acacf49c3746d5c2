"""What tests with the marker `neuron` may know of the device before anything of it is imported."""

from __future__ import annotations

import sys

import pytest

from pytest_torchscript.backends.neuron.marked import NeuronDevice
from pytest_torchscript.errors import OptionError
from pytest_torchscript.settings import Settings


def test_a_device_with_its_library_runs(neuron_machine):
    neuron_machine("inf2", cores=2)
    device = NeuronDevice(Settings())
    assert (device.backend, device.asked, device.readiness.action) == ("neuronx", False, "run")
    assert NeuronDevice(Settings(backends=("neuronx",))).asked
    assert NeuronDevice.is_here()
    assert "torch_neuronx" not in sys.modules


def test_without_a_device_its_tests_skip_or_fail(neuron_machine):
    neuron_machine("inf1", device=False)
    assert not NeuronDevice.is_here()
    assert NeuronDevice(Settings()).readiness.action == "skip"
    assert NeuronDevice(Settings(neuron="require")).readiness.action == "fail"


def test_workers_share_its_cores(neuron_machine):
    neuron_machine("inf1", cores=2)
    device = NeuronDevice(Settings())
    assert device.share("gw1", 2, "").environment == {"NEURON_RT_VISIBLE_CORES": "1"}
    assert device.share(None, 2, "").environment == {}
    with pytest.raises(OptionError, match="3 workers"):
        device.share("gw0", 3, "")
