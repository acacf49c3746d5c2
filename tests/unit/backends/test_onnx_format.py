"""Files of ONNX: where their weights stand, and the order of their inputs."""

from __future__ import annotations

import struct
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_torchscript.backends import Unavailable, onnx_format


def model(path: Path, *, apart: bool = False) -> Path:
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    weight = helper.make_tensor("w", kind, [2], struct.pack("<2f", 1.0, 2.0), raw=True)
    x, y = (helper.make_tensor_value_info(name, kind, [2]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [x], [y], [weight])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(made, str(path), save_as_external_data=apart, location="weights.data", size_threshold=0)
    return path


def test_files_that_hold_weights_are_named(tmp_path: Path) -> None:
    assert onnx_format.weight_files(model(tmp_path / "one.onnx")) == []
    assert onnx_format.weight_files(model(tmp_path / "two.onnx", apart=True)) == ["weights.data"]


def test_the_order_of_the_inputs_is_written_into_a_file(tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx")
    assert onnx_format.signed(path, ["x", "left_out"]) == 17
    (entry,) = pytest.importorskip("onnx").load(str(path)).metadata_props
    assert (entry.key, entry.value) == (onnx_format.INPUTS, "x left_out")


def test_a_package_that_is_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(onnx_format, "importlib", SimpleNamespace(import_module=absent))
    with pytest.raises(Unavailable, match="package onnx is not installed") as caught:
        onnx_format.package("onnx")
    assert caught.value.hint == "pip install 'pytest-torchscript[onnx]'"
