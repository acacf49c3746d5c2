from __future__ import annotations

import os

import pytest

from pytest_torchscript.backends.registry import backend_for
from pytest_torchscript.errors import BackendError


def test_neuronx_without_device_names_its_target(neuron_machine, request_, recorded):
    neuron_machine("inf2", device=False)
    backend_for("neuronx", mode="compile").export(request_)
    assert recorded()[0]["cpu_backend"] is True
    assert recorded()[0]["target"] == "inf2"
    assert recorded()[0]["compiler_args"] == ["--auto-cast", "none", "--target", "inf2"]


def test_target_of_the_user_stays(neuron_machine, request_, recorded, monkeypatch):
    neuron_machine("inf2", device=False)
    monkeypatch.setenv("NEURON_PLATFORM_TARGET_OVERRIDE", "trn2")
    backend_for("neuronx", mode="compile").export(request_)
    assert recorded()[0]["compiler_args"][-1] == "trn2"
    assert os.environ["NEURON_PLATFORM_TARGET_OVERRIDE"] == "trn2"


def test_native_generation_is_refused(neuron_machine, request_):
    neuron_machine("native")
    with pytest.raises(BackendError, match="not supported yet"):
        backend_for("neuronx", mode="require").export(request_)


def test_native_generation_without_metadata_is_refused(neuron_machine, request_, tmp_path, monkeypatch):
    neuron_machine()
    (tmp_path / "copied/torch_neuronx").mkdir(parents=True)
    (tmp_path / "copied/torch_neuronx/__init__.py").write_text("from torch import version\n")
    monkeypatch.syspath_prepend(str(tmp_path / "copied"))
    with pytest.raises(BackendError, match="native generation"):
        backend_for("neuronx").export(request_)
