from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_torchscript.report.html_report import to_html
from pytest_torchscript.report.markdown import to_markdown
from pytest_torchscript.report.text import summary_lines
from pytest_torchscript.report.wording import ladder_text
from pytest_torchscript.results import (
    AxisResult,
    Cause,
    CheckResult,
    ExportResult,
    ModelResult,
    RunReport,
    ValuesResult,
    merge_models,
    to_plain,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "summary.txt"


def test_the_summary(report: RunReport) -> None:
    assert "\n".join(summary_lines(report)) + "\n" == GOLDEN.read_text(encoding="utf-8")


def test_a_verbose_summary_tells_the_sound_ones_in_full(report: RunReport) -> None:
    lines = list(summary_lines(report, verbose=True))
    assert lines[0].startswith("tests/x.py::test_y")  # what failed comes first all the same
    assert "    skipped attentions: the architecture has none" in lines
    assert lines[-1] == "2 models: 1 failed, 1 passed; 30 forward passes, 16.8 s"


def test_sixty_sound_models_fit_one_screen_and_a_half() -> None:
    axes = [AxisResult("batch", 1, 16, "dynamic", [1, 2]), AxisResult("sequence", 1, 512, "dynamic", [1, 512])]
    checks = [
        CheckResult("trace", "passed", 1.0, passes=4),
        CheckResult("attentions", "skipped", message="it has none"),
    ]
    export = ExportResult("torchscript", checks=checks, axes=axes)
    note = "the Hub cannot be reached: random weights, built from the bundled configuration"
    owned: tuple[list[str], ...] = ([note], [note, "an input is constant\n    code()"])
    models = [ModelResult(f"m{n}", "Bert", "default", "random", 12, [export], owned[n % 2]) for n in range(60)]
    lines = list(summary_lines(RunReport(models=models)))
    assert lines[0] == ("m0: Bert, 12 parameters, random weights: 1 passed, 1 skipped; batch, sequence dynamic")
    assert f"note: 60 models: {note}" in lines
    assert "note: 30 models: an input is constant" in lines
    assert lines[-1] == "60 models: 60 passed; 240 forward passes, 60 s"
    assert len(lines) == 64


def test_models_that_were_not_checked_are_counted_as_such() -> None:
    skipped = [ExportResult("torchscript", checks=[CheckResult("trace", "skipped", message="known: later")])]
    models = [ModelResult("a", exports=skipped), ModelResult("b", exports=skipped)]
    assert list(summary_lines(RunReport(models=models))) == [
        "a: not loaded: 1 skipped",
        "b: not loaded: 1 skipped",
        "2 models: 2 with nothing checked; 0 forward passes, 0 ms",
    ]


def test_nothing_was_checked() -> None:
    assert list(summary_lines(RunReport())) == []
    assert list(summary_lines(RunReport(models=[ModelResult("gone")]))) == ["gone: not loaded"]
    assert list(summary_lines(RunReport(models=[ModelResult("gone", exports=[ExportResult("onnx")])])))[1:] == [
        "  onnx: nothing checked"
    ]


@pytest.mark.parametrize("verdict", ["dynamic", "fixed", "diverges", "static", "untested"])
def test_every_verdict_is_shown(verdict: str) -> None:
    export = ExportResult("torchscript", axes=[AxisResult("time", 1, 9, verdict, [1])])
    assert verdict in "\n".join(summary_lines(RunReport(models=[ModelResult("m", exports=[export])])))


@pytest.mark.parametrize(("verdict", "verb"), [("diverges", "diverge"), ("fixed", "raise")])
def test_values_that_raise_do_not_diverge(verdict: str, verb: str) -> None:
    export = ExportResult("torchscript", values=ValuesResult(verdict, {"values": "zeros"}))
    lines = list(summary_lines(RunReport(models=[ModelResult("m", exports=[export])])))
    assert lines[-1] == f"    values {verb} at values=zeros"


def test_ratios_of_speed_are_shown() -> None:
    checks = [CheckResult("speed", "passed", message="the export takes 0.9 times eager's time at time=3")]
    model = ModelResult("m", exports=[ExportResult("torchscript", checks=checks)])
    lines = list(summary_lines(RunReport(models=[model])))
    assert lines[-1] == "    speed: the export takes 0.9 times eager's time at time=3"


def test_errors_are_counted_and_skips_grouped_by_their_reason() -> None:
    checks = [
        CheckResult("speed", "error"),
        CheckResult("freeze", "error"),
        CheckResult("values", "skipped", message="no values on meta\n    more"),
        CheckResult("padding", "skipped", message="no values on meta"),
        CheckResult("attentions", "skipped"),
    ]
    model = ModelResult("m", exports=[ExportResult("torchscript", checks=checks)])
    assert list(summary_lines(RunReport(models=[model])))[1:] == [
        "  torchscript: 2 errors, 3 skipped",
        "    skipped values, padding: no values on meta",
        "    skipped attentions",
    ]


def two_backends() -> ModelResult:
    cause = Cause("/models/x.py", 12, "forward", "range(x.shape[0])", "2 became 3")
    traced = [AxisResult("batch", 1, 9, "fixed", [1, 2], causes=[cause]), AxisResult("time", 1, 9, "dynamic", [1, 9])]
    exported = [AxisResult("batch", 1, 9, "dynamic", [1, 2])]
    pieces = [
        ModelResult("m", exports=[ExportResult("torchscript", axes=traced)]),
        ModelResult("m", exports=[ExportResult("torch_export", axes=exported)]),
    ]
    return merge_models(pieces)[0]


def test_backends_stand_side_by_side() -> None:
    model = two_backends()
    assert model.ladder == [
        {"axis": "batch", "torchscript": "fixed", "torch_export": "dynamic"},
        {"axis": "time", "torchscript": "dynamic", "torch_export": "untested"},
    ]
    assert list(summary_lines(RunReport(models=[model])))[-4:] == [
        "  axis   torchscript  torch_export",
        "  batch  fixed        dynamic",
        "  time   dynamic      untested",
        "  torch_export keeps batch (time untested); torchscript loses batch at x.py:12",
    ]


@pytest.mark.parametrize("render", [to_markdown, to_html])
def test_every_rendering_has_the_ladder(render: Callable[[RunReport], bytes]) -> None:
    text = render(RunReport(models=[two_backends()])).decode()
    assert "torch_export keeps batch (time untested); torchscript loses batch at x.py:12" in html.unescape(text)


def test_the_verdict_for_the_team_begins_with_what_keeps_most() -> None:
    def piece(backend: str, verdict: str, line: int = 0) -> ModelResult:
        causes = [Cause("C:\\models\\modeling_x.py", line, "forward", "", "")] if line else []
        return ModelResult(
            "m", exports=[ExportResult(backend, axes=[AxisResult("batch", 1, 9, verdict, causes=causes)])]
        )

    pieces = [
        piece("one", "diverges", 12),
        piece("two", "fixed", 12),
        piece("three", "untested"),
        piece("four", "fixed"),
    ]
    lost = "one, two lose batch at modeling_x.py:12; three tested no axis; four loses batch"
    assert ladder_text(merge_models(pieces)[0]) == lost
    kept = [piece("five", "dynamic"), piece("six", "static")]
    assert ladder_text(merge_models([*pieces, *kept])[0]) == f"five, six keep every axis; {lost}"


def test_one_backend_has_no_ladder() -> None:
    model = merge_models([ModelResult("m", exports=[ExportResult("onnx", axes=[AxisResult("time", 1, 9)])])])[0]
    assert "ladder" not in to_plain(model)
