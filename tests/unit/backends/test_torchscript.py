"""torch.jit.trace as a backend: what it made is a ScriptModule, before and after a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pytest_torchscript.backends.base import ExportRequest
from pytest_torchscript.backends.torchscript import (
    RecordedArtifact,
    TorchScriptArtifact,
    TorchScriptBackend,
    load_torchscript,
)
from pytest_torchscript.common import jit
from pytest_torchscript.common.silence import quiet
from tests import toys


def request_of(model: torch.nn.Module) -> ExportRequest:
    return ExportRequest(model.eval(), (torch.ones(2, 3, 4),), ("x",))


def test_a_trace_is_told_from_a_file(tmp_path: Path) -> None:
    request = request_of(toys.Sound())
    artifact = TorchScriptBackend().export(request)
    assert isinstance(artifact, TorchScriptArtifact)
    assert artifact.trace is artifact.module
    artifact.save(tmp_path / "saved.pt")
    loaded = load_torchscript(tmp_path / "saved.pt")
    assert loaded.trace is None
    assert torch.equal(loaded(*request.example), artifact(*request.example))
    assert not artifact(*request.example).requires_grad


def test_what_is_dropped_soon_is_made_of_what_was_recorded() -> None:
    whole = request_of(toys.Sound())
    recorded = replace(whole, recorded=lambda: jit.record(toys.Sound().eval(), whole.example))
    traced, brief = (TorchScriptBackend().export(request) for request in (whole, recorded))
    assert isinstance(traced, TorchScriptArtifact)
    assert isinstance(brief, RecordedArtifact)
    assert torch.equal(traced(*whole.example), brief(*whole.example))
    assert not brief(*whole.example).requires_grad


def test_what_cannot_be_recorded_is_traced() -> None:
    with quiet():
        whole = request_of(torch.nn.Sequential(torch.jit.script(toys.Sound().eval())))
        recorded = replace(whole, recorded=lambda: jit.record(whole.module, whole.example))
    assert isinstance(TorchScriptBackend().export(recorded), TorchScriptArtifact)


def test_the_example_stays_as_it_was() -> None:
    request = request_of(toys.WritesIntoInput())
    TorchScriptBackend().export(request)
    assert torch.equal(request.example[0], torch.ones(2, 3, 4))


def test_what_does_not_trace_says_so_itself() -> None:
    with pytest.raises(RuntimeError, match="this model does not trace"):
        TorchScriptBackend().export(request_of(toys.CannotTrace()))
