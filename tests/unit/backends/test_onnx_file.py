"""An ONNX file made elsewhere is looked at before it is run; tests/unit/lab checks some."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_torchscript.backends import onnx_file
from pytest_torchscript.errors import BackendError


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the other process says of a file whose weights are in it."""
    said = {"inputs": ["x", "m"], "types": ["tensor(float)", "tensor(int64)"], "made": "pytorch 2.9"}
    monkeypatch.setattr(onnx_file, "package", lambda name: None)
    monkeypatch.setattr(onnx_file, "weight_files", lambda path: said.get("weights", []))
    monkeypatch.setattr(onnx_file, "looked", lambda path, program, *, by, hint: said)
    return said


@pytest.fixture
def path(tmp_path: Path) -> str:
    made = tmp_path / "m.onnx"
    made.write_bytes(b"")
    return str(made)


def test_a_file_says_what_it_takes_and_who_made_it(looking: dict[str, Any], path: str) -> None:
    facts = onnx_file.look_at_onnx(path)
    assert (facts.inputs, facts.class_name) == (("x", "m"), "made by pytorch 2.9")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"types": ["tensor(float)", "seq(tensor(float))"]}, "its inputs are tensor.float., seq.*, not tensors alone"),
        ({"weights": ["weights.data"]}, "its weights stand in weights.data, which is not beside it"),
    ],
)
def test_a_file_that_cannot_be_used(looking: dict[str, Any], path: str, said: dict[str, Any], words: str) -> None:
    looking.update(said)
    with pytest.raises(BackendError, match=words):
        onnx_file.look_at_onnx(path)


def test_a_file_that_is_not_there(looking: dict[str, Any]) -> None:
    with pytest.raises(BackendError, match=r"artifact gone.onnx: no such file"):
        onnx_file.look_at_onnx("gone.onnx")


def test_a_file_that_onnx_cannot_read(looking: dict[str, Any], path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(path: Path) -> list[str]:
        raise ValueError("wire type")

    monkeypatch.setattr(onnx_file, "weight_files", unreadable)
    with pytest.raises(BackendError, match="onnx cannot read it: ValueError\n    hint: give a complete ONNX file"):
        onnx_file.look_at_onnx(path)
