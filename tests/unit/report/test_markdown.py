from __future__ import annotations

from pathlib import Path

from pytest_torchscript.report.markdown import code, to_markdown
from pytest_torchscript.results import CheckResult, ExportResult, ModelResult, RunReport

GOLDEN = Path(__file__).parents[2] / "golden"


def test_markdown(report: RunReport) -> None:
    assert to_markdown(report).decode() == (GOLDEN / "report.md").read_text(encoding="utf-8")


def test_markdown_shows_signs_as_they_are() -> None:
    assert code("a|b `c` <i> _d_") == "<code>a&#124;b &#96;c&#96; &lt;i&gt; &#95;d&#95;</code>"


def test_markdown_fits_a_job_summary() -> None:
    checks = [CheckResult(f"check {number}", "failed", 1.0, "x" * 10_000) for number in range(10)]
    models = [ModelResult(f"m{number}", exports=[ExportResult("torchscript", checks=checks)]) for number in range(40)]
    text = to_markdown(RunReport(models=models))
    assert len(text) < 1024**2
    assert text.endswith(b"larger than a job summary may be.\n")


def test_markdown_of_nothing() -> None:
    assert to_markdown(RunReport()).decode().startswith("# TorchScript: no model was checked\n")
