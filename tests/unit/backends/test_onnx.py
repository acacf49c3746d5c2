"""The backend `onnx`, with both exporters; skipped where the extra is not installed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from pytest_torchscript.backends import ExportRequest, Refused, Unavailable, Unsupported, onnx_format
from pytest_torchscript.backends import onnx as home
from pytest_torchscript.backends.registry import backend_for
from pytest_torchscript.checks import check
from pytest_torchscript.errors import OptionError
from pytest_torchscript.models.calling import Positional
from pytest_torchscript.versions import installed_version
from tests import toys

INSTALLED = bool(installed_version("onnx") and installed_version("onnxruntime"))
EXPORTERS = [name for name in ("torchscript", backend_for("onnx").exporter) if INSTALLED]
needs_onnx = pytest.mark.skipif(not INSTALLED, reason="the extra onnx is not installed")


class Loop(nn.Module):
    def forward(self, x):
        return torch.stack([x[row] * 2 for row in range(x.shape[0])])


class Threshold(nn.Module):
    def forward(self, x):
        return x * 2 if x.shape[1] > 20 else x


class Ignores(nn.Module):
    """Two inputs, of which the second is not used."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x, unused):
        return torch.tanh(self.inner(x))


@pytest.fixture(params=dict.fromkeys(EXPORTERS))
def exporter(request):
    return request.param


def exported(module, exporter, names=("x",)):
    dims = dict.fromkeys(names, ("batch", "time", 4))
    example = tuple(torch.randn(2, 11, 4) for _ in names)
    return backend_for("onnx", exporter=exporter).export(
        ExportRequest(Positional(module, names).eval(), example, names, dims)
    )


def verdict(module, axis, exporter):
    options = {"onnx": {"exporter": exporter}}
    return check(module.eval(), inputs=toys.SIGNAL, backends=("onnx",), options=options, checks="axis").axis(axis)


@needs_onnx
def test_a_sound_model_passes_all_its_checks(exporter):
    options = {"onnx": {"exporter": exporter}}
    found = check(toys.Sound().eval(), inputs=toys.SIGNAL, backends=("onnx",), options=options)
    assert found.passed, [item.message for item in found.failures]
    assert {axis.verdict for axis in found.exports[0].axes} == {"dynamic"}
    assert found.exports[0].device["exporter"] == exporter
    assert next(item.outcome for item in found.checks if item.name == "save_load") == "passed"


@needs_onnx
@pytest.mark.parametrize(("module", "axis"), [(Loop(), "batch"), (Threshold(), "time")], ids=["loop", "threshold"])
def test_what_was_frozen_diverges_with_its_line(module, axis, exporter):
    found = verdict(module, axis, exporter)
    assert found.verdict == "diverges"
    assert found.causes[0].file == __file__


@needs_onnx
def test_a_mean_is_frozen_by_the_exporter_of_old_alone():
    assert verdict(toys.FrozenMean(), "time", "torchscript").verdict == "diverges"
    if "dynamo" in EXPORTERS:
        assert verdict(toys.FrozenMean(), "time", "dynamo").verdict == "dynamic"


@needs_onnx
def test_axes_that_cannot_go_in_by_name_are_told():
    if "dynamo" not in EXPORTERS:
        pytest.skip("this torch has the exporter of old alone")
    assert "exported with Dim.AUTO, because by the names of its axes: " in exported(Loop(), "dynamo").notes[0]
    assert not exported(toys.Sound(), "dynamo").notes


@needs_onnx
def test_an_input_that_is_not_used_may_be_left_out(exporter):
    artifact = exported(Ignores(), exporter, ("x", "unused"))
    x = torch.randn(3, 5, 4)
    assert torch.equal(artifact(x, torch.zeros(3, 5, 4))[0], artifact(x, torch.ones(3, 5, 4))[0])


@needs_onnx
def test_a_refused_size_is_told_by_its_axis_and_prints_nothing(exporter, capfd):
    artifact = exported(toys.Sound(), exporter)
    with pytest.raises(Refused, match="INVALID_ARGUMENT"):
        artifact(torch.randn(2, 11, 5))
    request = ExportRequest(artifact._request.module, (torch.randn(2, 11, 4),), ("x",), {})
    fixed = backend_for("onnx", exporter="torchscript").export(request)
    fixed._request = artifact._request
    with pytest.raises(Refused, match="time is 12, expected 11"):
        fixed(torch.randn(2, 12, 4))
    assert capfd.readouterr() == ("", "")


class Wide(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(4, 256), nn.Linear(256, 4)

    def forward(self, x):
        return self.down(self.up(x))


@needs_onnx
def test_weights_in_a_second_file_go_with_the_first(exporter, tmp_path, monkeypatch):
    if exporter == "torchscript":
        pytest.skip("that exporter writes a second file above 2 GB alone")
    monkeypatch.setattr(home, "_ONE_FILE", 10)
    artifact = exported(Wide(), exporter)  # small weights stay in the first
    artifact.save(tmp_path / "other.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.onnx.data", "other.onnx"]
    names = {}
    exec(backend_for("onnx").loader(), names)
    x = torch.randn(2, 7, 4)
    assert torch.equal(names["load"](str(tmp_path / "other.onnx"))(x)[0], artifact(x)[0])


@needs_onnx
def test_bfloat16_is_skipped_with_the_reason():
    with pytest.raises(Unsupported, match="no bfloat16"):
        exported(toys.Sound().bfloat16(), "torchscript")


@needs_onnx
def test_training_mode_is_left_as_it_was(exporter):
    module = toys.Sound().eval()
    exported(module, exporter)
    assert not module.training


def test_a_package_that_is_missing_is_an_error_of_this_backend_alone(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(onnx_format, "importlib", SimpleNamespace(import_module=absent))
    with pytest.raises(Unavailable, match="package onnx is not installed") as raised:
        exported(toys.Sound(), "torchscript")
    assert "pytest-torchscript[onnx]" in raised.value.hint
    found = check(
        toys.Sound().eval(), inputs=toys.SIGNAL, backends=("onnx", "torchscript"), checks=("trace", "outputs", "axis")
    )
    outcomes = [{item.name: item.outcome for item in export.checks} for export in found.exports]
    assert outcomes[0]["trace"] == "error"
    assert set(outcomes[0].values()) == {"error", "skipped"}
    assert set(outcomes[1].values()) == {"passed"}


def test_options_are_words_of_the_exporters():
    with pytest.raises(OptionError, match="onnx option exporter 'dinamo' does not exist") as raised:
        backend_for("onnx", exporter="dinamo")
    assert "dynamo" in raised.value.hint
    assert backend_for("onnx", opset="17").options.opset == 17
