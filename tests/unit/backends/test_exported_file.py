"""A file of torch.export: which torch saved it is told where this one does not load it, and it takes tensors alone."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_torchscript.errors import BackendError

pytest.importorskip("torch.export")
exported_file = pytest.importorskip("pytest_torchscript.backends.exported_file")


def saved_by(path: Path, version: str) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/models/model.json", json.dumps({"torch_version": version}))
    return str(path)


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the other process says, and the hint it would be refused with."""
    said: dict[str, Any] = {"inputs": ["x"], "tensors": True}

    def looked(path: str, program: str, *, by: str, hint: str) -> dict[str, Any]:
        said["hint"] = hint
        return said

    monkeypatch.setattr(exported_file, "looked", looked)
    return said


def test_a_file_says_what_it_takes_and_who_saved_it(tmp_path: Path, looking: dict[str, Any]) -> None:
    facts = exported_file.look_at_exported(saved_by(tmp_path / "m.pt2", "2.0.1"))
    assert (facts.inputs, facts.class_name) == (("x",), "torch 2.0.1")
    assert looking["hint"] == "it was saved by torch 2.0.1: load it with that, or export it again with this one"
    exported_file.look_at_exported(saved_by(tmp_path / "n.pt2", torch.__version__))
    assert looking["hint"] == "give a complete file saved with torch.export.save"


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_what_does_not_say_who_saved_it(tmp_path: Path, looking: dict[str, Any], content: bytes | None) -> None:
    path = tmp_path / "m.pt2"
    if content is not None:
        path.write_bytes(content)
    assert exported_file.look_at_exported(str(path)).class_name == "torch unknown"


def test_inputs_that_are_no_tensors(tmp_path: Path, looking: dict[str, Any]) -> None:
    looking.update(inputs=["x", "3"], tensors=False)
    with pytest.raises(BackendError, match="its inputs are x, 3, not tensors alone"):
        exported_file.look_at_exported(str(tmp_path / "m.pt2"))
