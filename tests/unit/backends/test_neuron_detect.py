from __future__ import annotations

import os

import pytest

from pytest_torchscript.backends.neuron import detect, packages
from pytest_torchscript.backends.neuron.detect import choose_backend, find_neuron
from pytest_torchscript.backends.neuron.plan import neuron_plan
from pytest_torchscript.errors import OptionError


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


@pytest.mark.parametrize("mode", ["auto", "require", "compile"])
def test_placeholders_are_told_from_the_libraries(neuron_machine, mode):
    neuron_machine("placeholder")
    status = find_neuron()
    assert (status.package, status.version, status.compiler) == ("placeholder", "1.0", "placeholder")
    plan = neuron_plan(mode, status)
    assert plan.action == ("fail" if mode == "require" else "skip")
    assert "torch-neuron 1.0 is PyPI's placeholder" in plan.reason
    assert "neuron-cc 1.0.post1 is PyPI's placeholder" in plan.reason
    assert "pip uninstall torch-neuron" in plan.hint


def test_placeholder_is_known_by_its_text_alone(neuron_machine, tmp_path, monkeypatch):
    neuron_machine()
    (tmp_path / "copied/torch_neuron").mkdir(parents=True)
    (tmp_path / "copied/torch_neuron/__init__.py").write_text('raise ImportError("WRONG PACKAGE. Please install")\n')
    monkeypatch.syspath_prepend(str(tmp_path / "copied"))
    assert find_neuron().package == "placeholder"


def test_a_folder_without_metadata_tells_its_version_itself(neuron_machine, tmp_path, monkeypatch):
    neuron_machine()
    (tmp_path / "copied/torch_neuron").mkdir(parents=True)
    (tmp_path / "copied/torch_neuron/__init__.py").write_text("__version__ = '1.13.1.2.9.74.0'\n")
    monkeypatch.syspath_prepend(str(tmp_path / "copied"))
    status = find_neuron()
    assert (status.package, status.version) == ("real", "1.13.1.2.9.74.0")


def test_a_folder_without_init_is_no_package(neuron_machine, tmp_path, monkeypatch):
    neuron_machine()
    (tmp_path / "copied/torch_neuron").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path / "copied"))
    assert find_neuron().package == "absent"


def test_a_real_folder_before_an_installed_placeholder(neuron_machine, tmp_path, monkeypatch):
    neuron_machine("placeholder")
    (tmp_path / "copied/torch_neuron").mkdir(parents=True)
    (tmp_path / "copied/torch_neuron/__init__.py").write_text("\n")
    monkeypatch.syspath_prepend(str(tmp_path / "copied"))
    assert find_neuron().package == "real"


def test_found_without_importing_anything(neuron_machine):
    import sys

    neuron_machine("inf1", "inf2")
    assert find_neuron(backend="neuron").version == "1.13.1.2.11.13.0"
    assert find_neuron(backend="neuronx").compiler_version == "2.27.5334.0"
    assert not {"torch_neuron", "torch_neuronx"} & set(sys.modules)


def test_native_generation_is_recognised_by_version(neuron_machine):
    neuron_machine("native")
    status = find_neuron(backend="neuronx")
    assert status.package == "native"
    plan = neuron_plan("require", status)
    assert plan.action == "fail"
    assert "torch-neuronx 2.13.3.0 is the native generation" in plan.reason
    assert "not supported yet" in plan.reason
    assert "torch-neuronx<2.13" in plan.hint


def test_compiler_on_path_counts(neuron_machine, tmp_path, monkeypatch):
    neuron_machine()
    program = tmp_path / "neuron-cc"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert find_neuron(dict(os.environ)).compiler == "real"


def test_other_torch_is_a_warning(neuron_machine, monkeypatch):
    neuron_machine("inf1")
    monkeypatch.setattr(packages, "installed_version", lambda name: "2.13.0+cpu")
    status = find_neuron()
    assert len(status.warnings) == 1
    assert "built for torch 1.13.1, installed is torch 2.13.0+cpu" in status.warnings[0]
    assert neuron_plan("auto", status).action == "run"
    monkeypatch.setattr(packages, "installed_version", lambda name: "1.13.1+cpu")
    assert find_neuron().warnings == ()


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


@pytest.mark.parametrize(
    ("mode", "device", "action"),
    [
        ("auto", True, "run"),
        ("auto", False, "skip"),
        ("require", True, "run"),
        ("require", False, "fail"),
        ("compile", False, "compile"),
        ("compile", True, "compile"),
        ("emulate", False, "stand-in"),
        ("emulate", True, "stand-in"),
        ("off", True, "skip"),
    ],
)
def test_modes(neuron_machine, mode, device, action):
    neuron_machine("inf1", device=device)
    plan = neuron_plan(mode, find_neuron())
    assert plan.action == action
    assert plan.reason
    assert plan.answers is (action in ("run", "stand-in"))


def test_mode_texts(neuron_machine):
    neuron_machine("inf1", device=False)
    status = find_neuron()
    assert "nothing was run or compared" in neuron_plan("compile", status).reason
    assert "emulated" in neuron_plan("emulate", status).reason
    assert "--torchscript-neuron require" in neuron_plan("require", status).reason
    assert "--torchscript-neuron compile" in neuron_plan("auto", status).hint
    with pytest.raises(OptionError, match="did you mean 'require'"):
        neuron_plan("requir", status)


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
