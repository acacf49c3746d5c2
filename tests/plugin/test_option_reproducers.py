"""--torchscript-reproducers: scripts that stand on their own."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from plugin_runs import Run, assert_usage_error, read_report

MODELS = """
import torch
from torch import nn
from pytest_torchscript import TensorSpec

class Mean(nn.Module):
    def forward(self, x):
        return x.sum(1) / float(x.shape[1])

class Branch(nn.Module):
    def forward(self, x, flag):
        return {"y": x * 2 if bool(flag.sum() > 0) else x, "n": 3}

class Untraceable(nn.Module):
    def forward(self, x):
        if torch.jit.is_tracing():
            raise ValueError("not under the tracer")
        return x

class Restless(nn.Module):
    count = 0
    def forward(self, x):
        self.count += 1
        return x * self.count

class Window(nn.Module):
    def forward(self, x):
        return x.reshape(x.shape[0], int(x.shape[1]), 4)

class Hides(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

class Unsaved(nn.Module):
    def forward(self, x):
        return Hides.apply(x)

X = {"x": TensorSpec("batch", "time", 4)}

def mean(): return Mean().eval(), X
def branch(): return Branch().eval(), {**X, "flag": TensorSpec(3, dtype=torch.int64, low=-1, high=2)}
def untraceable(): return Untraceable().eval(), X
def restless(): return Restless().eval(), X
def window(): return Window().eval(), X
def unsaved(): return Unsaved().eval(), X
"""


def run_script(path: Path, *paths: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, paths), os.environ.get("PYTHONPATH", "")])}
    environment["PYTHONPATH"] = environment["PYTHONPATH"].rstrip(os.pathsep)
    folder = path.parent / "empty"
    folder.mkdir(exist_ok=True)
    command = [sys.executable, os.fspath(path)]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


def run_printed(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as it was printed, in a shell whose python is the one of these tests."""
    shell = f'python() {{ {shlex.quote(sys.executable)} "$@"; }}; {command}'
    return subprocess.run(shell, shell=True, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.process
def test_a_script_fails_passes_and_says_when_it_cannot_tell(
    run: Run, pytester: pytest.Pytester, project_path: Path
) -> None:
    pytester.makepyfile(models=MODELS)
    result = run(
        "--torchscript-model=models:mean",
        "-k",
        "axis",
        "--torchscript-reproducers=out dir",
        "--torchscript-report=out.json",
    )
    result.assert_outcomes(passed=1, failed=1)
    checks = read_report(pytester.path)["models"][0]["exports"][0]["checks"]
    path = Path(checks[1]["reproducer"])
    assert checks[0]["reproducer"] is None
    result.stdout.fnmatch_lines([f"    reproducer: PYTHONPATH={pytester.path.resolve()} python '{path}'"])
    assert path.parent == pytester.path / "out dir"
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# PYTHONPATH={pytester.path.resolve()} python {path.name}\n")
    assert "pytest_torchscript" not in text
    printed = next(line for line in result.outlines if line.startswith("    reproducer: ")).partition(": ")[2]
    ended = run_printed(printed, pytester.mkdir("elsewhere"))
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("AssertionError: output 0: max |actual - expected| = ")
    models = pytester.path / "models.py"
    models.write_text(MODELS.replace("x.sum(1) / float(x.shape[1])", "x.mean(1)"), encoding="utf-8")
    assert run_script(path, pytester.path, project_path).returncode == 0
    models.write_text("raise RuntimeError('gone')\n", encoding="utf-8")
    ended = run_script(path, pytester.path, project_path)
    assert ended.returncode == 2
    assert "RuntimeError: gone" in ended.stderr


@pytest.mark.process
@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("branch", "values"),
        ("untraceable", "trace"),
        ("restless", "determinism"),
        ("window", "axis[time]"),
        ("unsaved", "save_load"),
    ],
)
@pytest.mark.usefixtures("project_path")
def test_each_kind_of_failure_is_repeated(run: Run, pytester: pytest.Pytester, name: str, check: str) -> None:
    pytester.makepyfile(models=MODELS)
    run(f"torchscript::models:{name}::test_{check}", "--torchscript-reproducers=out", "--torchscript-report=out.json")
    (found,) = read_report(pytester.path)["models"][0]["exports"][0]["checks"]
    assert (found["outcome"], found["reproducer"] is not None) == ("failed", True), found["message"]


def test_why_there_is_none_is_said(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        models=MODELS,
        test_own="""
        import pytest
        from models import mean

        @pytest.mark.torchscript(model=mean)
        def test_own(torchscript):
            torchscript.check()
        """,
    )
    result = run("-k", "own", "--torchscript-reproducers=out")
    result.stdout.fnmatch_lines(["*    no reproducer: the model has no reference that can be imported"])
    assert not (pytester.path / "out").exists()


def test_a_file_in_place_of_the_folder(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "out").write_text("", encoding="utf-8")
    assert_usage_error(run("--torchscript-model=zoo:bad", "--torchscript-reproducers=out"), "is a file")
