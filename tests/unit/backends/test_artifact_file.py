"""A TorchScript file made elsewhere is looked at in a process of its own before it is used."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from pytest_torchscript.backends import artifact_file
from pytest_torchscript.backends.artifact_file import TorchScriptFile, look_at_file
from pytest_torchscript.backends.base import ExportRequest
from pytest_torchscript.errors import BackendError
from tests import toys


def saved(path: Path, module: nn.Module, *example: object) -> str:
    """Trace and save a module as a user does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(module, example or (torch.ones(2, 3, 4),)).save(str(path))
    return str(path)


def test_a_good_file_tells_its_inputs_and_its_mode(tmp_path: Path) -> None:
    made = TorchScriptFile.of(saved(tmp_path / "traced.pt", toys.Sound().eval()))
    assert (made.facts.inputs, made.facts.training, made.facts.class_name) == (("x",), False, "Sound")
    assert made.refusal is None
    assert made.export(ExportRequest(toys.Sound(), (torch.zeros(2, 3, 4),), ("x",)))(torch.zeros(1, 5, 4)).shape == (
        1,
        5,
        4,
    )


@pytest.mark.parametrize("kind", ["text", "checkpoint"])
def test_what_is_no_torchscript_is_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "traced.pt"
    if kind == "checkpoint":
        torch.save(toys.Sound().state_dict(), path)
    else:
        path.write_bytes(b"hello")
    refusal = TorchScriptFile.of(str(path)).refusal
    assert f"artifact {path}: torch.jit.load refuses it: " in str(refusal).splitlines()[0]
    assert "hint: give a complete file saved with torch.jit.save" in str(refusal)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(BackendError, match=r"artifact gone.pt: no such file\n    hint: "):
        look_at_file("gone.pt")


def test_a_reader_that_dies_or_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "traced.pt"
    path.write_bytes(b"")
    monkeypatch.setattr(artifact_file, "_LOOK", "import os; os._exit(7)")
    with pytest.raises(BackendError, match="the process died with code 7"):
        look_at_file(str(path))
    monkeypatch.setattr(artifact_file, "_LOOK", "import time; time.sleep(60)")
    monkeypatch.setattr(artifact_file, "LOOK_SECONDS", 0.2)
    with pytest.raises(BackendError, match=r"not loaded within 0.2 seconds"):
        look_at_file(str(path))


def test_inputs_that_are_no_tensors(tmp_path: Path) -> None:
    class Listed(nn.Module):
        def forward(self, signals):
            return signals[0]

    path = saved(tmp_path / "traced.pt", Listed(), [torch.zeros(2)])
    with pytest.raises(BackendError, match="not tensors alone"):
        look_at_file(path)
