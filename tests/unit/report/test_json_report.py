from __future__ import annotations

import json
from pathlib import Path

from pytest_torchscript.report.json_report import model_text, to_journal, to_json
from pytest_torchscript.results import RunReport

GOLDEN = Path(__file__).parents[2] / "golden"


def test_json_is_the_record(report: RunReport) -> None:
    text = to_json(report).decode()
    assert text == (GOLDEN / "report.json").read_text(encoding="utf-8")
    assert json.loads(text) == report.to_dict()


def test_json_holds_nan_and_infinity_as_strings(report: RunReport) -> None:
    report.models[0].exports[0].axes[0].max_abs_difference = float("nan")
    report.models[0].exports[0].axes[1].max_abs_difference = float("inf")
    axes = json.loads(to_json(report).decode())["models"][0]["exports"][0]["axes"]
    assert [axis["max_abs_difference"] for axis in axes[:2]] == ["nan", "inf"]


def test_a_journal_of_models_that_are_text_already_is_the_same_record(report: RunReport) -> None:
    assert report.models
    for journal in (report, RunReport({"torch": '"models": []'}, [], complete=False)):
        assert json.loads(to_journal(journal, map(model_text, journal.models))) == json.loads(to_json(journal))
