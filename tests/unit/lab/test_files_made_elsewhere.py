"""Files of other exports, checked in place of one of ours: ``--torchscript-artifact m.onnx`` and ``m.pt2``."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from pytest_torchscript import TensorSpec, check
from pytest_torchscript.backends import onnx_format
from pytest_torchscript.backends.registry import backend_for
from pytest_torchscript.common.silence import mute
from pytest_torchscript.results import CheckResult, ModelResult
from pytest_torchscript.versions import installed_version

INPUTS = {
    "signal": TensorSpec("batch", "time", 6),
    "mask": TensorSpec("batch", "time", dtype=torch.int64, low=0, high=2),
}
EXAMPLE = (torch.randn(2, 14, 6), torch.ones(2, 14, dtype=torch.int64))
MOVING = {0: "batch", 1: "time"}

pytestmark = pytest.mark.process
needs_onnx = pytest.mark.skipif(
    not (installed_version("onnx") and installed_version("onnxruntime")), reason="the extra onnx is not installed"
)
needs_export = pytest.mark.skipif(
    backend_for("torch_export").readiness().action == "skip", reason="torch.export has no Dim.AUTO here"
)
needs_compiler = pytest.mark.skipif(
    backend_for("aot_inductor").readiness().action == "skip", reason="no AOTInductor or no C++ compiler here"
)


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(6, 4)

    def forward(self, signal, mask):
        hidden = torch.tanh(self.linear(signal)) * mask.unsqueeze(-1)
        return hidden, hidden.sum(1)


class Frozen(Encoder):
    def forward(self, signal, mask):
        hidden, _ = super().forward(signal, mask)
        return hidden, hidden.sum(1) / float(signal.shape[1])


def run(model: nn.Module, path: object, **settings) -> ModelResult:
    return check(model.eval(), inputs=INPUTS, artifact=str(path), **settings)


def of(result: ModelResult, name: str) -> CheckResult:
    return next(found for found in result.checks if found.name == name)


def in_onnx(path: Path, module: nn.Module, names=("signal", "mask")) -> Path:
    """Export as a user of the exporter of old does."""
    import inspect

    old = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    axes = dict.fromkeys(names, MOVING)
    with mute():
        torch.onnx.export(module.eval(), EXAMPLE, str(path), input_names=list(names), dynamic_axes=axes, **old)
    return path


def with_weights_apart(path: Path) -> Path:
    import onnx

    model = onnx.load(str(path))
    onnx.save(model, str(path), save_as_external_data=True, location="weights.data", size_threshold=0)
    return path


@needs_onnx
def test_an_onnx_file_of_this_model_passes(tmp_path):
    result = run(Encoder(), in_onnx(tmp_path / "m.onnx", Encoder()))
    assert result.passed, result.failures
    assert [export.backend for export in result.exports] == ["onnx"]
    assert result.axis("time").verdict == "dynamic"
    assert of(result, "save_load").outcome == "passed"
    assert any("checked is the file" in note and "made by pytorch" in note for note in result.notes)
    assert "made elsewhere" in of(result, "anchors").message


@needs_onnx
def test_what_an_onnx_file_froze_is_named_in_the_model(tmp_path):
    axis = run(Frozen(), in_onnx(tmp_path / "m.onnx", Frozen()), anchor={"time": 14}, checks="axis").axis("time")
    assert axis.verdict == "diverges"
    assert "float(signal.shape[1])" in axis.causes[0].source


@needs_onnx
def test_inputs_of_other_names_go_by_place(tmp_path):
    path = in_onnx(tmp_path / "m.onnx", Encoder(), names=("x", "m"))
    result = run(Encoder(), path, checks=("outputs", "axis", "save_load"))
    assert result.passed, result.failures


@needs_onnx
def test_weights_in_a_file_of_their_own(tmp_path):
    path = with_weights_apart(in_onnx(tmp_path / "m.onnx", Encoder()))
    assert run(Encoder(), path, checks=("outputs", "save_load")).passed
    (tmp_path / "weights.data").unlink()
    found = of(run(Encoder(), path), "trace")
    assert found.outcome == "failed"
    assert f"artifact {path}: its weights stand in weights.data, which is not beside it" in found.message
    assert "hint: move that file with it" in found.message


@needs_onnx
@pytest.mark.parametrize("half", [True, False], ids=["cut", "text"])
def test_a_file_that_is_no_onnx_costs_one_test(tmp_path, half, capfd):
    path = in_onnx(tmp_path / "m.onnx", Encoder())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if half else b"hello")
    result = run(Encoder(), path)
    assert [item.name for item in result.failures] == ["trace"]
    assert f"artifact {path}: onnx" in of(result, "trace").message.splitlines()[0]
    assert "hint: give a complete ONNX file" in of(result, "trace").message
    assert capfd.readouterr() == ("", "")


def test_a_package_that_is_missing_is_an_error(tmp_path, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(onnx_format, "importlib", SimpleNamespace(import_module=absent))
    path = tmp_path / "m.onnx"
    path.write_bytes(b"")
    found = of(run(Encoder(), path), "trace")
    assert found.outcome == "error"
    assert "package onnx is not installed" in found.message


def exported(module: nn.Module) -> object:
    auto = torch.export.Dim.AUTO
    free = {"signal": dict.fromkeys(MOVING, auto), "mask": dict.fromkeys(MOVING, auto)}
    given, named = EXAMPLE[:1], {"mask": EXAMPLE[1]}
    with mute():
        return torch.export.export(module.eval(), given, named, dynamic_shapes=free, strict=False)


def saved(path: Path, module: nn.Module) -> Path:
    """Export with an argument by name, and save."""
    with mute():
        torch.export.save(exported(module), path)
    return path


@needs_export
def test_a_file_of_torch_export(tmp_path):
    result = run(Encoder(), saved(tmp_path / "m.pt2", Encoder()))
    assert result.passed, result.failures
    assert [export.backend for export in result.exports] == ["torch_export"]
    assert of(result, "save_load").outcome == "passed"
    frozen = run(Frozen(), saved(tmp_path / "f.pt2", Frozen()), anchor={"time": 14}, checks=("trace", "axis"))
    assert frozen.axis("time").verdict == "fixed"
    assert "time of signal == 14" in frozen.axis("time").error
    assert frozen.exports[0].device["specialised"] == {"time": 14}


@needs_export
def test_a_file_of_another_torch_is_told(tmp_path, capfd):
    path, other = saved(tmp_path / "m.pt2", Encoder()), tmp_path / "other.pt2"
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(other, "w", zipfile.ZIP_STORED) as after:
        for name in before.namelist():
            data = before.read(name)
            if name.endswith("model.json"):
                program = json.loads(data)
                program["schema_version"]["major"] += 1
                data = json.dumps({**program, "torch_version": "9.8.7"}).encode()
            after.writestr(name, data)
    found = of(run(Encoder(), other), "trace")
    assert found.outcome == "failed"
    first = found.message.splitlines()[0]
    assert f"torch.export.load of torch {torch.__version__} refuses it: SerializeError: " in first
    assert "hint: it was saved by torch 9.8.7: load it with that" in found.message
    assert capfd.readouterr() == ("", "")


@needs_export
def test_what_is_no_archive_is_told(tmp_path):
    path = tmp_path / "m.pt2"
    path.write_bytes(b"hello")
    found = of(run(Encoder(), path), "trace")
    assert found.outcome == "failed"
    assert "refuses it" in found.message
    assert "hint: give a complete file saved with torch.export.save" in found.message


@needs_compiler
def test_a_package_of_aot_inductor(tmp_path):
    path = tmp_path / "m.pt2"
    with mute():
        torch._inductor.aoti_compile_and_package(exported(Encoder()), package_path=str(path))
    result = run(Encoder(), path, checks=("trace", "outputs", "axis", "save_load"))
    assert result.passed, result.failures
    assert [export.backend for export in result.exports] == ["aot_inductor"]
    damaged = zipfile.ZipFile(path).namelist()
    with zipfile.ZipFile(tmp_path / "d.pt2", "w") as after:
        for name in damaged:
            after.writestr(name, b"")
    found = of(run(Encoder(), tmp_path / "d.pt2"), "trace")
    assert found.outcome == "failed"
    assert "hint: a package is bound to its torch and its processor" in found.message
