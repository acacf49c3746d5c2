"""The check `freeze`: a module that cannot be frozen, and one that answers otherwise afterwards."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from pytest_torchscript import TensorSpec
from pytest_torchscript.common.silence import quiet
from tests import toys
from tests.asking import answer, ask


class Identity(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 1.0


class OtherwiseInEvalMode(nn.Module):
    """Is shipped in training mode: what freezes it puts it into eval mode, where it doubles."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 1.0 if self.training else x * 2.0


def test_a_sound_model_stays_the_same() -> None:
    found = answer(ask(toys.Sound(), "freeze"))
    assert (found.outcome, found.message) == ("passed", "frozen and optimised, three calls each at batch=2 time=11")


def test_a_module_that_freezing_breaks_fails_with_its_line() -> None:
    torch.manual_seed(0)
    result = ask(toys.ChainedAddmm(), "outputs", "freeze", inputs={"x": TensorSpec(4, 4), "y": TensorSpec(6, 4)})
    outputs, freeze = result.checks
    assert outputs.outcome == "passed"
    assert freeze.outcome == "failed"
    assert "torch.jit.freeze" in freeze.message
    assert f"{toys.__file__}:{toys.ChainedAddmm.BREAKS} in forward" in freeze.message


def test_a_module_that_answers_otherwise_once_frozen_fails(tmp_path: Path) -> None:
    path = tmp_path / "shipped.pt"
    with quiet():
        torch.jit.script(OtherwiseInEvalMode().train()).save(str(path))
    outputs, freeze = ask(Identity(), "outputs", "freeze", artifact=str(path)).checks
    assert outputs.outcome == "passed"
    assert freeze.outcome == "failed"
    assert "after torch.jit.freeze it answers differently" in freeze.message
