"""What a CI is told: annotations, the summary of the job, properties of JUnit; and that strangers' text stays text in all."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree

import pytest
from plugin_runs import Run

HOSTILE = """
import torch
from torch import nn
from pytest_torchscript import TensorSpec

NASTY = "\\x1b[2J\\n::error file=a::pwned<script>alert(1)</script> | `x` ##[error]"


class Raises(nn.Module):
    def forward(self, x):
        if not torch.jit.is_tracing() and x.shape[1] != 11:
            return {NASTY: x}
        return {NASTY: torch.ops.aten.view(x, [2, 11, 4])}  # <script>alert(2)</script> `|`


def evil(name):
    return Raises().eval(), {"x": TensorSpec("batch", "time", 4)}


def worse():
    raise RuntimeError(NASTY + "\\r" + NASTY)
"""


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester) -> None:
    """A job of GitHub Actions."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", os.fspath(pytester.path / "summary.md"))
    monkeypatch.setenv("GITHUB_WORKSPACE", os.fspath(pytester.path))


@pytest.mark.usefixtures("github")
def test_a_failure_is_annotated_and_summarised(run: Run, pytester: pytest.Pytester) -> None:
    result = run("--torchscript-model", "zoo:bad", "-k", "axis")
    lines = [line for line in result.outlines if line.startswith("::")]
    assert len(lines) == 1
    assert lines[0].startswith("::error file=zoo.py,line=21,col=")
    assert "title=zoo%3Abad%3A axis[time]::torchscript::zoo:bad: axis 'time' diverges" in lines[0]
    text = (pytester.path / "summary.md").read_text(encoding="utf-8")
    assert text.startswith("# TorchScript: 1 of 1 failed")
    assert "^^^^^^^^^^^^^^^^^" in text


@pytest.mark.usefixtures("github")
def test_a_report_in_markdown_takes_the_place_of_the_summary(run: Run, pytester: pytest.Pytester) -> None:
    run("--torchscript-model", "zoo:bad", "-k", "axis", "--torchscript-report", "out.md")
    assert not (pytester.path / "summary.md").exists()


@pytest.mark.usefixtures("github")
def test_a_run_that_checks_no_model_adds_nothing(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own="def test_mine():\n    pass\n")
    assert not [line for line in run().outlines if line.startswith("::")]
    assert not (pytester.path / "summary.md").exists()


def test_no_annotations_elsewhere(run: Run) -> None:
    result = run("--torchscript-model", "zoo:bad", "-k", "axis")
    assert not [line for line in result.outlines if line.startswith("::")]


def test_properties_of_junit(run: Run, pytester: pytest.Pytester) -> None:
    run("--torchscript-model", "zoo:bad", "-k", "axis", "--junitxml=out.xml")
    (case,) = (
        found
        for found in ElementTree.parse(pytester.path / "out.xml").iter("testcase")
        if found.get("name") == "test_axis[time]"
    )
    properties = {item.get("name"): item.get("value") for item in case.iter("property")}
    versions = properties.pop("torchscript_versions") or ""
    assert "torch 1" in versions or "torch 2" in versions
    assert properties == {
        "torchscript_model": "zoo:bad",
        "torchscript_class": "Bad",
        "torchscript_task": "default",
        "torchscript_weights": "own",
        "torchscript_backend": "torchscript",
        "torchscript_axis": "time",
        "torchscript_verdict": "diverges",
        "torchscript_counterexample": "batch=1 time=1",
    }


@pytest.mark.usefixtures("github")
@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "n1"])
def test_strangers_text_stays_text(run_apart: Run, pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(hostile=HOSTILE)
    models = ["--torchscript-model=hostile:evil('<b>_a_|`c`%0A,:')", "--torchscript-model=hostile:worse"]
    result = run_apart(*models, "-k", "axis or model", "--torchscript-report=out.html", "--junitxml=out.xml", *workers)
    result.assert_outcomes(passed=1, failed=2)
    shown = result.stdout.str() + result.stderr.str()
    assert "\x1b" not in shown
    commands = [line for line in shown.splitlines() if line.strip().startswith("::") or "##[" in line]
    assert [line[:13] for line in commands] == ["::error title", "::error title"] or [
        line[:12] for line in commands
    ] == ["::error file", "::error titl"]
    assert not [line for line in commands if "##[" in line]
    page = (pytester.path / "out.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert "\x1b" not in page
    summary = (pytester.path / "summary.md").read_text(encoding="utf-8")
    assert "\x1b" not in summary
    fenced = [line for line in summary.splitlines() if "<script>" in line]
    assert all(line.startswith(("torchscript::", "    ")) for line in fenced)  # within a block of code
    ElementTree.parse(pytester.path / "out.xml")
