"""Annotations stand at lines of the repository and hold nothing but text; the summary of a job is added to."""

from __future__ import annotations

from pathlib import Path

from pytest_torchscript.report.github import add_to_summary, error_annotations
from pytest_torchscript.report.markdown import LIMIT
from pytest_torchscript.results import (
    AxisResult,
    Cause,
    CheckResult,
    ExportResult,
    ModelResult,
    RunReport,
    ValuesResult,
)


def broken(*causes: Cause, message: str = "axis 'time' diverges\n    hint: x", model: str = "zoo:bad") -> RunReport:
    axes = [AxisResult("batch", 1, 9, "dynamic"), AxisResult("time", 1, 9, "diverges", causes=list(causes))]
    checks = [CheckResult("axis[batch]"), CheckResult("axis[time]", "failed", message=message)]
    return RunReport(models=[ModelResult(model, exports=[ExportResult("torchscript", checks=checks, axes=axes)])])


def test_an_annotation_stands_at_the_expression(tmp_path: Path) -> None:
    path = tmp_path / "models" / "zoo.py"
    path.parent.mkdir()
    path.write_text("def f(x):\n    return x / float(x.shape[1])\n", encoding="utf-8")
    library = Cause("/usr/lib/python3/site-packages/torch/nn.py", 7, "f", "", "")
    mine = Cause(str(path), 2, "f", "return x / float(x.shape[1])", "2.0 became 3.0", 12, 28)
    (line,) = error_annotations(broken(library, mine), tmp_path)
    assert line == (
        "::error file=models/zoo.py,line=2,col=16,endColumn=32,title=zoo%3Abad%3A axis[time]"
        "::axis 'time' diverges%0A    hint: x"
    )


def test_what_stands_elsewhere_is_annotated_without_a_line(tmp_path: Path) -> None:
    inside = tmp_path / "venv" / "site-packages" / "torch.py"
    for cause in (
        Cause("/elsewhere/zoo.py", 7, "f", "", ""),
        Cause(str(inside), 3, "f", "", ""),
        Cause("", 0, "", "", ""),
    ):
        (line,) = error_annotations(broken(cause), tmp_path)
        assert line.startswith("::error title=zoo%3Abad%3A axis[time]::")


def test_a_stranger_cannot_end_an_annotation(tmp_path: Path) -> None:
    hostile = "x\r\n::warning file=a,line=1::100%,:"
    (line,) = error_annotations(broken(message=hostile, model=hostile), tmp_path)
    assert "\n" not in line
    assert "\r" not in line
    assert line == (
        "::error title=x%0D%0A%3A%3Awarning file=a%2Cline=1%3A%3A100%25%2C%3A: axis[time]".replace(": axis", "%3A axis")
        + "::x%0D%0A::warning file=a,line=1::100%25,:"
    )


def test_values_are_annotated_and_what_passed_is_not(tmp_path: Path) -> None:
    cause = Cause(str(tmp_path / "gone.py"), 3, "f", "if x:", "True became False", 4, 4)
    checks = [CheckResult("values", "failed", message="v"), CheckResult("trace"), CheckResult("padding", "skipped")]
    export = ExportResult("torchscript", checks=checks, values=ValuesResult("diverges", {}, [cause]))
    lines = list(error_annotations(RunReport(models=[ModelResult("m", exports=[export, export])]), tmp_path))
    assert lines == ["::error file=gone.py,line=3,col=4,endColumn=4,title=m%3A values::v"]


def test_the_summary_of_a_job_is_added_to(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("# before\n", encoding="utf-8")
    add_to_summary(broken(), path)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# before\n# TorchScript: 1 of 1 failed")


def test_a_summary_that_is_nearly_full_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_bytes(b"x" * (LIMIT - 50))
    add_to_summary(broken(message="y" * 3000), path)
    assert path.stat().st_size < 1024**2
    assert path.read_bytes().endswith(b"larger than a job summary may be.\n")
