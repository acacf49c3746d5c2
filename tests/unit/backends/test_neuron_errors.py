from __future__ import annotations

import pytest

from pytest_torchscript.backends.registry import backend_for
from pytest_torchscript.errors import BackendError

FOLDERS = {"neuron": "inf1", "neuronx": "inf2"}


def test_time_out_is_named(neuron_machine, request_, recorded):
    neuron_machine("inf1", behaviour="timeout")
    with pytest.raises(BackendError, match="timed out: not done after 90 s") as caught:
        backend_for("neuron", timeout="90").export(request_)
    assert "hint: raise timeout" in str(caught.value)
    assert recorded()[0]["timeout"] == 90


def test_killed_compiler_is_named(neuron_machine, request_):
    neuron_machine("inf1", behaviour="memory")
    with pytest.raises(BackendError, match="out of memory"):
        backend_for("neuron").export(request_)


def test_unsupported_operator_is_named(neuron_machine, request_):
    neuron_machine("inf1", behaviour="unsupported")
    with pytest.raises(BackendError, match="aten::adaptive_max_pool2d is not supported"):
        backend_for("neuron", fallback="false").export(request_)


def test_unknown_exceptions_pass_through(neuron_machine, request_):
    neuron_machine("inf2", behaviour="unsupported")
    with pytest.raises(RuntimeError, match="not an XLA tensor"):
        backend_for("neuronx").export(request_)


def test_runtime_that_does_not_start_is_named(neuron_machine, request_, monkeypatch):
    neuron_machine("inf1")
    artifact = backend_for("neuron").export(request_)
    monkeypatch.setenv("NEURON_STANDIN_DEVICE", "0")
    with pytest.raises(BackendError, match="the Neuron runtime could not start"):
        artifact(*request_.example)


def test_placeholder_met_at_import_is_named(neuron_machine, request_, tmp_path, monkeypatch):
    neuron_machine()
    (tmp_path / "copied/torch_neuron").mkdir(parents=True)
    (tmp_path / "copied/torch_neuron/__init__.py").write_text("from torch_neuron import inner\n")
    (tmp_path / "copied/torch_neuron/inner.py").write_text("raise ImportError('WRONG PACKAGE. Please install')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "copied"))
    with pytest.raises(BackendError, match="PyPI's placeholder"):
        backend_for("neuron").export(request_)


def test_broken_package_is_named(neuron_machine, request_, tmp_path, monkeypatch):
    neuron_machine()
    (tmp_path / "copied/torch_neuron").mkdir(parents=True)
    (tmp_path / "copied/torch_neuron/__init__.py").write_text(
        "raise RuntimeError('module compiled against API version 0xf')"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "copied"))
    with pytest.raises(BackendError, match="torch-neuron cannot be imported"):
        backend_for("neuron").export(request_)
