from __future__ import annotations

import os

import pytest

from pytest_torchscript.backends.neuron import packages
from pytest_torchscript.backends.neuron.detect import find_neuron
from pytest_torchscript.backends.neuron.plan import neuron_plan


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
