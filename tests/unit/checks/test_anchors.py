"""The check `anchors`: it tells, and never fails."""

from __future__ import annotations

import pytest

from pytest_torchscript.checks.run import run_check
from pytest_torchscript.common import jit
from tests import toys
from tests.asking import answer, ask, lab_of


def test_a_sound_model_traces_well_anywhere() -> None:
    result = ask(toys.Sound(), "anchors")
    assert answer(result).outcome == "passed"
    assert result.exports[0].anchor_findings == []


def test_a_worse_trace_is_told() -> None:
    result = ask(toys.WorseAtOne(), "anchors")
    assert answer(result).outcome == "passed"
    assert "warning: traced at batch=2 time=1 it is wrong at other sizes of 'time'" in answer(result).message
    finding = result.exports[0].anchor_findings[0]
    assert (finding.anchor, finding.axis, finding.verdict) == ({"batch": 2, "time": 1}, "time", "diverges")
    assert "x.shape[1] > 1" in finding.causes[0].source


def test_no_trace_is_made_where_no_size_of_the_axis_reaches_python() -> None:
    assert answer(ask(toys.Sound(), "anchors")).message.startswith(
        "0 other anchors tried, 3 known to give the same trace"
    )
    # Batch 1 gives the same trace as the main anchor, and batch 1 and time 1 the same as time 1.
    assert answer(ask(toys.WorseAtOne(), "anchors")).message.startswith("1 other anchors tried, 2 known")


def test_another_anchor_is_recorded_once_for_its_export_and_for_what_tells_its_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lab = lab_of(toys.WorseAtOne())
    for check, axis in (("trace", None), ("outputs", None), ("axis", "time"), ("axis", "batch")):
        run_check(lab, check, axis)
    made, record = [], jit.record
    monkeypatch.setattr(jit, "record", lambda *given: made.append("record") or record(*given))  # type: ignore[func-returns-value]
    monkeypatch.setattr(jit, "trace", lambda *_given: made.append("trace"))
    finding = run_check(lab, "anchors").exports[0].anchor_findings[0]
    assert "x.shape[1] > 1" in finding.causes[0].source
    assert made == ["record", "record"]  # the second under watch; at the main anchor's sizes its own trace is known
