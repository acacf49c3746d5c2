"""`python -m pytest_torchscript`: what is bad about its input is said in two lines, with exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_torchscript.__main__ import main
from pytest_torchscript.report.merge import read_report
from pytest_torchscript.report.writers import write_report
from pytest_torchscript.results import CheckResult, ExportResult, ModelResult, RunReport

MODELS = """
import torch
from torch import nn
from pytest_torchscript import Axis, TensorSpec

SIGNAL = {"x": TensorSpec("batch", Axis("time", max=40), 4)}

class Mean(nn.Module):
    def forward(self, x):
        return x.sum(1) / float(x.shape[1])

class Odd(nn.Module):
    def forward(self, x):
        return x * 2 if x.shape[1] % 2 else x

class Swaps(nn.Module):
    def forward(self, x):
        out = x * int(x.shape[2])
        out.data = torch.relu(x)
        return out

class Raises(nn.Module):
    def forward(self, x):
        if torch.jit.is_tracing():
            raise ValueError("not under the tracer")
        return x

class Fixed(nn.Module):
    def forward(self, x):
        return x

def mean():
    return Mean().eval(), SIGNAL

def odd():
    return Odd().eval(), SIGNAL

def swaps():
    return Swaps().eval(), SIGNAL

def raises():
    return Raises().eval(), SIGNAL

def fixed():
    return Fixed().eval(), {"x": TensorSpec("batch", Axis.fixed_at("time", 8), 4)}
"""


@pytest.fixture(autouse=True)
def models(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.mktemp("models")
    (folder / "explained.py").write_text(MODELS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.chdir(folder)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["explain", *arguments]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def test_a_frozen_line_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, "explained:mean", "--axis", "time").splitlines()
    assert lines[0] == "explained:mean, axis 'time': traced at batch=2 time=11, and there once more"
    assert lines[2] == "moved to time=13"
    assert "    120  explained.py:10: 11.0 became 13.0" in lines
    assert lines[-1].strip() == "return x.sum(1) / float(x.shape[1])"


def test_sizes_near_the_anchor_are_tried_until_graphs_differ(capsys: pytest.CaptureFixture[str]) -> None:
    out = told(capsys, "explained:odd", "--axis", "time")
    assert [line for line in out.splitlines() if line.startswith("moved")] == ["moved to time=13", "moved to time=12"]
    assert "True became False, 1 node fewer" in out
    assert "moved to time=20\n" in told(capsys, "explained:odd", "--axis", "time", "--size", "20")


def test_what_else_is_looked_at_where_graphs_are_equal(capsys: pytest.CaptureFixture[str]) -> None:
    out = told(capsys, "explained:swaps", "--axis", "time", "--anchor", "time=5", "--anchor", "batch=3")
    assert "traced at batch=3 time=5" in out
    assert "no difference of graphs names a line; graphs may part further away: give the size that fails" in out
    assert "what the model does otherwise under the tracer, at any size\n" in out
    assert "the data of a tensor is swapped here" in out
    assert "lines that the tracer warned of\n" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("explained:mean", "--axis", "tine"), "error: axis 'tine' does not exist\n    hint: did you mean 'time'?"),
        (("explained:nothing", "--axis", "time"), "error: explained:nothing: module 'explained' has no 'nothing'"),
        (("explained:mean", "--axis", "time", "--weights", "tyny"), "error: weights 'tyny' does not exist"),
        (("explained:mean", "--axis", "time", "--anchor", "time"), "error: anchor: 'time' is not an anchor"),
        (("explained:mean", "--axis", "time", "--anchor", "tine=3"), "error: axis 'tine' does not exist"),
        (("explained:mean", "--axis", "time", "--size", "11"), "cannot be moved to 11: that is the anchor's own size"),
        (
            ("explained:mean", "--axis", "time", "--size", "0"),
            "cannot be moved to 0: that is none of its sizes: 1 to 40",
        ),
        (("explained:mean", "--axis", "time", "--size", "41"), "to 41: that is none of its sizes: 1 to 40"),
        (("explained:fixed", "--axis", "time", "--size", "7"), "to 7: that is none of its sizes: 8"),
        (("explained:fixed", "--axis", "time"), "axis 'time' cannot be moved: 8 is its only size"),
        (("explained:raises", "--axis", "time"), "cannot be traced at batch=2 time=11\n    ValueError: not under the"),
    ],
)
def test_bad_input(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str) -> None:
    assert main(["explain", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.startswith("error: ")
    assert err.count("    hint: ") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "the following arguments are required: COMMAND"),
        (("explane",), "invalid choice: 'explane'"),
        (("explain", "explained:mean"), "the following arguments are required: --axis"),
        (("explain", "explained:mean", "--axis", "time", "--size", "x"), "argument --size: invalid int value: 'x'"),
    ],
)
def test_bad_usage(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_merge_joins_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        checks = [CheckResult("trace", "passed", 1.0, passes=3)]
        report = RunReport({"torch": "2"}, [ModelResult(name, exports=[ExportResult("torchscript", checks=checks)])])
        write_report(tmp_path / f"{name}.json", report)
    made = [str(tmp_path / name) for name in ("all.json", "all.md")]
    shards = [str(tmp_path / f"{name}.json") for name in ("a", "b")]
    assert main(["merge", *shards, "--report", made[0], "--report", made[1]]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == ["2 models: 2 passed; 6 forward passes, 2 s", *(f"report: {path}" for path in made)]
    assert [model.model for model in read_report(made[0]).models] == ["a", "b"]
    assert "all passed" in Path(made[1]).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.json", "--report", "all.json"], "there is no such file"),
        (["missing.json", "--report", "all.txt"], "the ending '.txt' is unknown"),
        (["missing.json", "--report", "nowhere/all.md"], "the folder 'nowhere' does not exist"),
    ],
)
def test_merge_says_what_is_bad(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["merge", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.splitlines()[-1].strip().startswith("hint:")


def test_merge_wants_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["merge", "a.json"])
    assert ended.value.code == 2
    assert "--report" in capsys.readouterr().err
