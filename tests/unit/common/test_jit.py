"""The one call of the tracer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from pytest_torchscript.common import jit
from pytest_torchscript.common.silence import quiet


class Writes(nn.Module):
    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"x": x.mul_(2)}


def test_the_example_stays_as_it_was_and_nothing_asks_for_gradients() -> None:
    x = torch.ones(2, requires_grad=True)
    with quiet():
        traced = jit.trace(nn.Linear(2, 2), (x,))
        jit.trace(Writes(), (y := torch.ones(2),))
    assert x.grad_fn is None
    assert torch.equal(y, torch.ones(2))
    assert traced(x).shape == (2,)


def test_a_function_is_traced_too() -> None:
    def double(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    with quiet():
        assert torch.equal(jit.trace(double, (torch.ones(2),))(torch.ones(3)), torch.full((3,), 2.0))


def test_torch_can_be_asked_strictly() -> None:
    with quiet(), pytest.raises(RuntimeError, match="dict"):
        jit.trace(Writes(), (torch.ones(2),), strict=True)


PROGRAM = """
import torch
from pytest_torchscript.common import jit
from pytest_torchscript.common.silence import quiet

@torch.jit.script
def doubled(x: torch.Tensor) -> torch.Tensor:
    return x * 2

class Net(torch.nn.Module):
    def forward(self, x):
        return doubled(x) + 1

with quiet():
    traced, scripted = jit.trace(Net(), (torch.ones(2),)), torch.jit.script(torch.nn.ReLU())
    assert not jit.forget_code()
    assert traced(torch.ones(2)).tolist() == [3, 3]
    del traced
    assert not jit.forget_code()
    assert scripted(-torch.ones(1)).item() == 0
    del scripted
    assert jit.forget_code()
    assert doubled(torch.ones(2)).tolist() == [2, 2]
    assert jit.trace(Net(), (torch.ones(2),))(torch.ones(2)).tolist() == [3, 3]
    assert torch.jit.script(torch.nn.ReLU())(-torch.ones(1)).item() == 0
"""


def test_the_code_of_modules_that_are_gone_is_dropped_and_that_of_others_stays(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "ignore", str(program)]
    told = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert told.returncode == 0, told.stderr


def test_where_torch_has_no_such_register_nothing_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("torch._C._jit_clear_class_registry")
    assert not jit.forget_code()
