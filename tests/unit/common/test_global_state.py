"""What a call changes of its process: told by name, and put back."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from pytest_torchscript.common.global_state import OF_BUILDING, STATES, put_back
from pytest_torchscript.models.factory import call_factory
from tests import toys
from tests.asking import ask

CHANGES: dict[str, Callable[[], object]] = {
    "torch's default dtype": lambda: torch.set_default_dtype(torch.float64),
    "torch's number of threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "torch's grad mode": lambda: torch._C._set_grad_enabled(not torch.is_grad_enabled()),
    "torch's deterministic algorithms": lambda: torch.use_deterministic_algorithms(True, warn_only=True),
    "the working folder": lambda: os.chdir(Path.cwd().parent),
    "handlers of signals": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "torch's seed": lambda: torch.manual_seed(4242),
    "environment variables": lambda: os.environ.update(LEFT_BEHIND="1"),
    "the set-up of logging": lambda: logging.root.setLevel(logging.CRITICAL - 1),
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_state_is_tried() -> None:
    assert list(CHANGES) == [state.name for state in STATES + OF_BUILDING]


@pytest.mark.parametrize("name", CHANGES)
def test_it_is_told_and_put_back(name: str) -> None:
    state = next(state for state in STATES + OF_BUILDING if state.name == name)
    told: list[str]
    before, told = state.read(), []
    with torch.random.fork_rng(devices=[]), put_back(told.append):
        CHANGES[name]()
        assert state.read() != before
    assert told == [name]
    assert state.read() == before


def test_also_where_the_call_raises() -> None:
    told: list[str] = []
    with pytest.raises(FileNotFoundError), put_back(told.append):
        [os.chdir(name) for name in ("..", "nowhere")]
    assert told == ["the working folder"]
    assert not list(Path.cwd().iterdir())


def test_what_changes_nothing_is_not_told() -> None:
    told: list[str] = []
    with put_back(told.append):
        torch.ones(2).sum()
    assert told == []


class Meddling(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.set_default_dtype(torch.float64)
        os.environ["LEFT_BEHIND"] = "1"
        return x.mean(1)


def test_determinism_notes_it_by_name() -> None:
    found = ask(Meddling(), "determinism", "outputs")
    assert {check.outcome for check in found.checks} == {"passed"}
    assert "a call changes torch's default dtype, environment variables: put back after each" in found.notes
    assert torch.get_default_dtype() == torch.float32
    assert "LEFT_BEHIND" not in os.environ
    assert not [note for note in ask(toys.Sound(), "determinism").notes if "a call changes" in note]


def test_a_factory_is_put_right_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import torch, os\ndef make():\n    torch.set_default_dtype(torch.float64)\n    os.chdir('/')\n"
    code += "    torch.manual_seed(7)\n    return torch.nn.ReLU()\n"  # to seed is what factories are for
    (tmp_path / "meddling.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    told: list[str] = []
    call_factory("meddling:make", told=told.append)
    assert told == ["torch's default dtype", "the working folder"]
    assert Path.cwd() == tmp_path
