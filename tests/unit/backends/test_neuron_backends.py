from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest
import torch
from torch import nn

from pytest_torchscript.backends.base import ExportRequest
from pytest_torchscript.backends.neuron.detect import Problem, find_neuron
from pytest_torchscript.backends.neuron.inf1 import NeuronBackend
from pytest_torchscript.backends.registry import backend_for
from pytest_torchscript.errors import BackendError, OptionError

FOLDERS = {"neuron": "inf1", "neuronx": "inf2"}


@pytest.fixture
def request_(request):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 4)).eval()
    return ExportRequest(module, (torch.randn(3, 6),), ("signal",), {"signal": ("batch", 6)})


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    path = tmp_path / "record.jsonl"
    monkeypatch.setenv("NEURON_STANDIN_RECORD", str(path))
    return lambda: [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


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


def test_statistics_of_the_log_stand_in_the_details(neuron_machine, request_):
    neuron_machine("inf1")
    details = backend_for("neuron").export(request_).details
    assert details["log"]["percent_fused"] == 96.99
    assert details["log"]["compiled"] == 1


@pytest.mark.parametrize("behaviour", ["cpu_trace", "none", "all_back"])
@pytest.mark.parametrize("mode", ["auto", "require", "compile"])
def test_nothing_on_the_device_fails(neuron_machine, request_, behaviour, mode):
    neuron_machine("inf1", behaviour=behaviour)
    with pytest.raises(BackendError, match="nothing on the device"):
        backend_for("neuron", mode=mode).export(request_)


@pytest.mark.parametrize(
    ("behaviour", "said"), [("fallback", "_NeuronGraph$551"), ("low", "40 % of the arithmetic operators")]
)
def test_part_on_the_cpu_warns(neuron_machine, request_, behaviour, said):
    neuron_machine("inf1", behaviour=behaviour)
    details = backend_for("neuron").export(request_).details
    assert details["placement"] == "partly on CPU"
    assert any(said in warning for warning in details["warnings"])


def test_a_silent_log_is_made_up_for_by_the_graph(neuron_machine, request_):
    neuron_machine("inf1", behaviour="silent")
    details = backend_for("neuron").export(request_).details
    assert details["placement"] == "on device"
    assert details["neuron_operators"] > 0


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


@pytest.mark.parametrize("name", ["neuron", "neuronx"])
@pytest.mark.parametrize("mode", ["auto", "require"])
def test_without_device_nothing_is_exported(neuron_machine, request_, name, mode):
    neuron_machine(FOLDERS[name], device=False)
    backend = backend_for(name, mode=mode)
    assert backend.readiness().action in ("skip", "fail")
    with pytest.raises(BackendError, match="no device"):
        backend.export(request_)


def test_runtime_that_does_not_start_is_named(neuron_machine, request_, monkeypatch):
    neuron_machine("inf1")
    artifact = backend_for("neuron").export(request_)
    monkeypatch.setenv("NEURON_STANDIN_DEVICE", "0")
    with pytest.raises(BackendError, match="the Neuron runtime could not start"):
        artifact(*request_.example)


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


def test_user_arguments_replace_ours(neuron_machine, request_, recorded):
    neuron_machine("inf1")
    options = {"compiler_args": "--fast-math none --neuroncore-pipeline-cores 4"}
    details = backend_for("neuron", **options).export(request_).details
    assert details["compiler_args"] == ["--fast-math", "none", "--neuroncore-pipeline-cores", "4"]
    assert recorded()[0]["compiler_args"] == details["compiler_args"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"time_out": "9"}, "did you mean 'timeout'"),
        ({"timeout": "soon"}, "is not a number above 0"),
        ({"timeout": 0}, "is not a number above 0"),
        ({"fallback": "maybe"}, "is not a truth value"),
        ({"compiler_args": 3}, "is not a list of strings"),
    ],
)
def test_malformed_options_are_refused(neuron_machine, options, said):
    with pytest.raises(OptionError, match=said):
        backend_for("neuron", **options)


@pytest.mark.parametrize("name", ["neuron", "neuronx"])
def test_dynamic_batch_takes_other_row_counts(neuron_machine, request_, name):
    neuron_machine(FOLDERS[name])
    artifact = backend_for(name, dynamic_batch="true").export(request_)
    for rows in (1, 3, 4, 6):
        assert artifact(torch.randn(rows, 6))[0].shape == (rows, 4)


def test_missing_compiler_is_blamed_for_a_failure(neuron_machine, request_):
    neuron_machine("inf1", behaviour="none")
    problem = Problem("compiler", "compiler neuron-cc is not installed")
    status = replace(find_neuron(), compiler="absent", problems=(problem,))
    with pytest.raises(BackendError, match="neuron-cc is not installed"):
        NeuronBackend(status=status).export(request_)


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
