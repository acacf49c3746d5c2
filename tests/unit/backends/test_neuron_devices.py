from __future__ import annotations

import json
import os

from pytest_torchscript.backends.neuron.detect import find_neuron
from pytest_torchscript.backends.neuron.devices import count_cores
from pytest_torchscript.backends.neuron.plan import neuron_plan


def test_plain_file_is_no_device(neuron_machine):
    root = neuron_machine("inf1", device=False)
    (root / "dev/neuron0").write_text("")
    status = find_neuron()
    assert not status.device
    assert "is not a character device" in status.device_why
    assert neuron_plan("auto", status).action == "skip"


def test_driver_without_node_is_no_device(neuron_machine):
    root = neuron_machine("inf1", device=False)
    (root / "proc/devices").write_text("Character devices:\n  1 mem\n245 neuron\n")
    status = find_neuron()
    assert not status.device
    assert "driver is loaded (/proc/devices)" in status.device_why
    assert "--device=/dev/neuron0" in neuron_plan("auto", status).hint


def test_instance_without_driver_is_explained(neuron_machine):
    root = neuron_machine("inf1", device=False)
    product = root / "sys/devices/virtual/dmi/id/product_name"
    product.parent.mkdir(parents=True)
    product.write_text("inf1.xlarge\n")
    status = find_neuron()
    assert status.instance == "inf1.xlarge"
    assert "this is inf1.xlarge, but its driver is not loaded" in status.device_why
    assert "aws-neuronx-dkms" in neuron_plan("auto", status).hint


class TestCount:
    def test_no_device_no_cores(self, neuron_machine):
        neuron_machine(device=False, cores=4)
        assert count_cores(os.environ) == 0

    def test_sysfs_first(self, neuron_machine):
        neuron_machine(cores=3)
        assert count_cores(os.environ) == 3

    def test_then_neuron_ls(self, neuron_machine, tmp_path, monkeypatch):
        neuron_machine()
        program = tmp_path / "neuron-ls"
        program.write_text(f"#!/bin/sh\necho '{json.dumps([{'nc_count': 2}, {'nc_count': 2}])}'\n")
        program.chmod(0o755)
        assert count_cores(os.environ) == 4
        program.write_text("#!/bin/sh\nexit 1\n")
        assert count_cores(os.environ, backend="neuronx") == 2

    def test_then_the_instance(self, neuron_machine):
        root = neuron_machine()
        product = root / "sys/devices/virtual/dmi/id/product_name"
        product.parent.mkdir(parents=True)
        product.write_text("inf1.6xlarge\n")
        assert count_cores(os.environ) == 16

    def test_then_the_usual_number(self, neuron_machine):
        neuron_machine()
        assert (count_cores(os.environ), count_cores(os.environ, backend="neuronx")) == (4, 2)
