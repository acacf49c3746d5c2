from __future__ import annotations

import json

import pytest
import torch

from pytest_torchscript.backends.neuron.common import neuron_backend
from pytest_torchscript.backends.registry import backend_for
from pytest_torchscript.errors import BackendError
from pytest_torchscript.settings import Settings

FOLDERS = {"neuron": "inf1", "neuronx": "inf2"}


@pytest.mark.parametrize("name", ["neuron", "neuronx"])
def test_details_say_what_ran_where(neuron_machine, request_, name):
    root = neuron_machine(FOLDERS[name])
    details = backend_for(name).export(request_).details
    assert details["device"] == str(root / "dev/neuron0")
    assert details["compared"] is True
    assert details["emulated"] is False
    assert details["placement"] == "on device"
    assert details["package"].startswith("torch-neuron")
    assert details["compiler"].startswith("neuron")
    assert details["compiler_args"] == {"neuron": ["--fast-math", "all"], "neuronx": ["--auto-cast", "none"]}[name]


@pytest.mark.parametrize("name", ["neuron", "neuronx"])
def test_compile_mode_without_device_compiles_and_does_not_run(neuron_machine, request_, recorded, tmp_path, name):
    neuron_machine(FOLDERS[name], device=False)
    backend = backend_for(name, mode="compile")
    assert backend.readiness().action == "compile"
    artifact = backend.export(request_)
    assert artifact.details["compared"] is False
    assert "nothing was run or compared" in artifact.details["note"]
    artifact.save(tmp_path / "compiled.pt")
    with pytest.raises(BackendError, match="compiled only"):
        artifact(*request_.example)
    assert [event["event"] for event in recorded()] == ["trace"]


@pytest.mark.parametrize("name", ["neuron", "neuronx"])
@pytest.mark.parametrize("mode", ["auto", "require"])
def test_without_device_nothing_is_exported(neuron_machine, request_, name, mode):
    neuron_machine(FOLDERS[name], device=False)
    backend = backend_for(name, mode=mode)
    assert backend.readiness().action in ("skip", "fail")
    with pytest.raises(BackendError, match="no device"):
        backend.export(request_)


@pytest.mark.parametrize("name", ["neuron", "neuronx"])
def test_dynamic_batch_takes_other_row_counts(neuron_machine, request_, name):
    neuron_machine(FOLDERS[name])
    artifact = backend_for(name, dynamic_batch="true").export(request_)
    for rows in (1, 3, 4, 6):
        assert artifact(torch.randn(rows, 6))[0].shape == (rows, 4)


class TestCache:
    def test_second_export_loads_what_the_first_kept(self, neuron_machine, request_, recorded, tmp_path):
        neuron_machine("inf1")
        backend = backend_for("neuron", cache=str(tmp_path / "cache"))
        first = backend.export(request_)
        second = backend.export(request_)
        assert [event["event"] for event in recorded()].count("trace") == 1
        assert second.details["cached"].endswith(".pt")
        assert second.details["log"] == first.details["log"]
        tensors = (torch.randn(3, 6),)
        assert torch.equal(first(*tensors)[0], second(*tensors)[0])

    def test_entries_say_what_they_are(self, neuron_machine, request_, tmp_path):
        neuron_machine("inf1")
        backend_for("neuron", cache=str(tmp_path / "cache")).export(request_)
        (described,) = (tmp_path / "cache").glob("*.json")
        entry = json.loads(described.read_text())
        assert entry["inputs"] == {"signal": "float32 [3, 6]"}
        assert entry["versions"]["package"] == "torch-neuron 1.13.1.2.11.13.0"
        assert described.with_suffix(".pt").is_file()

    def test_off_unless_asked_for(self, neuron_machine, request_, recorded):
        neuron_machine("inf1")
        backend = backend_for("neuron")
        backend.export(request_)
        backend.export(request_)
        assert [event["event"] for event in recorded()].count("trace") == 2

    def test_damaged_entry_is_compiled_again(self, neuron_machine, request_, recorded, tmp_path):
        neuron_machine("inf1")
        backend = backend_for("neuron", cache=str(tmp_path / "cache"))
        backend.export(request_)
        (kept,) = (tmp_path / "cache").glob("*.pt")
        kept.write_bytes(kept.read_bytes()[:100])
        backend.export(request_)(*request_.example)
        assert [event["event"] for event in recorded()].count("trace") == 2


def test_backend_is_chosen_by_what_is_there(neuron_machine):
    neuron_machine("inf2")
    assert neuron_backend(Settings()).name == "neuronx"
    assert neuron_backend(Settings(backends=("neuron",))).name == "neuron"
