from __future__ import annotations

import pytest

from pytest_torchscript.backends.neuron import detect
from pytest_torchscript.backends.neuron.detect import choose_backend, find_neuron
from pytest_torchscript.backends.neuron.plan import neuron_plan


def test_nothing_there_names_all_three_and_how_to_get_them(neuron_machine):
    neuron_machine(device=False)
    status = find_neuron()
    assert (status.device, status.package, status.compiler) == (False, "absent", "absent")
    plan = neuron_plan("auto", status)
    assert plan.action == "skip"
    for word in ("torch-neuron is not installed", "neuron-cc is not installed", "no device: no "):
        assert word in plan.reason
    for word in ("hint:", "pip.repos.neuron.amazonaws.com", "pytest-torchscript[neuron]", "aws-neuronx-dkms"):
        assert word in plan.message


def test_found_without_importing_anything(neuron_machine):
    import sys

    neuron_machine("inf1", "inf2")
    assert find_neuron(backend="neuron").version == "1.13.1.2.11.13.0"
    assert find_neuron(backend="neuronx").compiler_version == "2.27.5334.0"
    assert not {"torch_neuron", "torch_neuronx"} & set(sys.modules)


def test_choose_backend_follows_package_and_instance(neuron_machine):
    assert choose_backend().backend == "neuron"
    neuron_machine("inf2")
    assert choose_backend().backend == "neuronx"
    root = neuron_machine("inf1", "inf2")
    assert choose_backend().backend == "neuron"
    product = root / "sys/devices/virtual/dmi/id/product_name"
    product.parent.mkdir(parents=True)
    product.write_text("inf2.xlarge\n")
    assert choose_backend().backend == "neuronx"


@pytest.mark.process
def test_detect_costs_no_torch():
    import subprocess
    import sys

    code = f"import sys; import {detect.__name__}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
