"""Runs that a signal cuts short: what was found stands in a report that is valid and says that it is incomplete.

A run in CI has two of them; ``HOSTILE=all`` (``nox -s hostile``) has every signal, with and without workers and isolation.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from processes import environment, plugin, processes_of

pytestmark = [pytest.mark.process, pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")]

MODELS = """
import time
import torch
from pytest_torchscript import TensorSpec

class Slow(torch.nn.Module):
    def forward(self, x):
        time.sleep(0.1)
        return x.mean(1)

def slow(): return Slow().eval(), {"x": TensorSpec("batch", "time", 4)}
"""
ISOLATED, TWO = ("--torchscript-isolate=on",), ("-n", "2")
KILLED_WORKER = ("SIGKILL", "worker", ("-n", "1", "--max-worker-restart=0"))
FEW = [("SIGTERM", "run", ISOLATED), KILLED_WORKER]
ALL = [
    *product(("SIGINT", "SIGTERM", "SIGKILL"), ("run",), ((), ISOLATED, TWO, ISOLATED + TWO)),
    KILLED_WORKER,
]


@pytest.mark.parametrize(("name", "whom", "options"), ALL if os.environ.get("HOSTILE") == "all" else FEW)
def test_what_was_found_before_is_in_the_report(tmp_path: Path, name: str, whom: str, options: tuple[str, ...]) -> None:
    (tmp_path / "models.py").write_text(MODELS, encoding="utf-8")
    with started(tmp_path, *options) as run:
        wait_for(tmp_path, checks=3)
        os.kill(run.pid if whom == "run" else worker_of(run.pid), getattr(signal, name))
        code = run.wait(timeout=60)
    said = (tmp_path / "said.txt").read_text(encoding="utf-8")
    assert code == {"run": {"SIGKILL": -signal.SIGKILL}.get(name, 2), "worker": 1}[whom], said
    assert "INTERNALERROR" not in said
    report = read(tmp_path)
    assert report["complete"] is False
    assert {check["outcome"] for check in checks_of(report)} <= {"passed"} | ({"error"} if whom == "worker" else set())
    killed = whom == "run" and name == "SIGKILL"
    assert (tmp_path / "out.md").exists() is not killed
    assert ("incomplete: the run was cut short" in said) is not killed
    merged = subprocess.run(
        [sys.executable, "-m", "pytest_torchscript", "merge", "out.json", "--report", "all.md"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (merged.returncode, merged.stderr) == (0, "")
    assert "out.json is incomplete, so the whole is" in merged.stdout
    deadline = time.monotonic() + 15  # what a killed run has started ends when it next answers
    while processes_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not processes_of(tmp_path)


@contextmanager
def started(folder: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    reports = ("--torchscript-report=out.json", "--torchscript-report=out.md")
    command = [sys.executable, "-m", "pytest", *plugin(), "-p", "no:cacheprovider", "--torchscript-model=models:slow"]
    with (folder / "said.txt").open("wb") as said:
        run = subprocess.Popen(
            [*command, *reports, *options], cwd=folder, env=environment(), stdout=said, stderr=subprocess.STDOUT
        )
        try:
            yield run
        finally:
            run.kill()
            run.wait()


def wait_for(folder: Path, checks: int) -> None:
    """Wait until the journal has so many checks. It is valid at every moment."""
    deadline = time.monotonic() + 90
    while not (folder / "out.json").exists() or len(checks_of(read(folder))) < checks:
        assert time.monotonic() < deadline, (folder / "said.txt").read_text(encoding="utf-8")
        time.sleep(0.02)


def worker_of(pid: int) -> int:
    """Return the process of xdist's first worker."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    return int(children[0])


def read(folder: Path) -> Any:
    return json.loads((folder / "out.json").read_text(encoding="utf-8"))


def checks_of(report: Any) -> list[Any]:
    return [check for model in report["models"] for export in model["exports"] for check in export["checks"]]
