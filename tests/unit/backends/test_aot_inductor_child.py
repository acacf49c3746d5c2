"""A package of AOTInductor runs in a process of its own: one that dies, is killed or hangs is told apart."""

from __future__ import annotations

import pytest
import torch

from pytest_torchscript.backends import Unavailable
from pytest_torchscript.backends.aot_inductor import child
from pytest_torchscript.errors import BackendError

pytestmark = pytest.mark.process


@pytest.fixture
def serving(monkeypatch, tmp_path):
    """Return a maker of processes that run some lines in place of a package."""

    def make(lines, timeout=60):
        monkeypatch.setattr(child, "_SERVE", "import os, sys, time\n" + lines)
        return child.Child(tmp_path / "model.pt2", timeout, {"SWITCH": "0"})

    return make


READY = "print('ready', flush=True)\nsys.stdin.readline()\n"


def test_a_process_that_dies_is_an_answer_and_is_started_again(serving):
    dying = serving(READY + "sys.stderr.write('out of bounds')\nsys.stderr.flush()\nos.abort()")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="the process of the package died of SIGABRT: out of bounds"):
            dying(torch.ones(1))


def test_a_process_that_was_killed_is_none(serving):
    killed = serving(READY + "os.kill(os.getpid(), 9)")
    with pytest.raises(Unavailable, match="the process of the package was killed"):
        killed(torch.ones(1))


def test_a_process_that_hangs_is_ended(serving):
    hanging = serving(READY + "time.sleep(60)", timeout=0.5)
    with pytest.raises(Unavailable, match=r"no answer within 0\.5 seconds") as raised:
        hanging(torch.ones(1))
    assert "aot_inductor.timeout" in raised.value.hint


def test_a_package_that_does_not_load_is_told_with_its_last_words(serving):
    with pytest.raises(BackendError, match=r"the package does not load: its process ended with code 1: .*no such file"):
        serving("raise SystemExit('no such file')")
