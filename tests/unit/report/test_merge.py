"""Shards of one run joined: as one run would have written it, whatever each of them had."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from pytest_torchscript.errors import OptionError
from pytest_torchscript.report.merge import merge_reports, read_report
from pytest_torchscript.results import ModelResult, RunReport, merge_models

ORDER = ["trace", "axis", "attentions", "values", "speed"]


def place(name: str) -> int:
    return ORDER.index(name)


def only(report: RunReport, *checks: str) -> RunReport:
    """Return the shard of a report that has some of its checks."""
    part = copy.deepcopy(report)
    for model in part.models:
        for export in model.exports:
            export.checks = [check for check in export.checks if check.name in checks]
            export.axes = [axis for axis in export.axes if f"axis[{axis.axis}]" in checks]
            for name in {"values", "padding"} - set(checks):
                setattr(export, name, type(getattr(export, name))())
    part.models = [model for model in part.models if any(export.checks for export in model.exports)]
    return part


def whole(report: RunReport) -> RunReport:
    """Return a report whose every axis and part is of some check, as runs write them."""
    for model in report.models:
        export = model.exports[0]
        names = {check.name for check in export.checks}
        export.axes = [axis for axis in export.axes if f"axis[{axis.axis}]" in names]
        export.padding = type(export.padding)()
    return report


def test_shards_by_model(report: RunReport) -> None:
    shards = [("a", RunReport(report.environment, [model])) for model in report.models]
    merged, said = merge_reports(shards, place)
    assert (merged.to_dict(), said) == (report.to_dict(), [])


@pytest.mark.parametrize("swapped", [False, True])
def test_shards_by_check(report: RunReport, swapped: bool) -> None:
    whole(report)
    shards = [
        ("a", only(report, "axis[batch]", "attentions", "speed")),
        ("b", only(report, "trace", "axis[sequence]", "values")),
    ]
    merged, said = merge_reports(shards[::-1] if swapped else shards, place)
    assert said == []
    assert merged.to_dict() == report.to_dict()


def test_models_keep_their_order() -> None:
    def shard(*names: str) -> RunReport:
        return RunReport(models=[ModelResult(name) for name in names])

    merged, _ = merge_reports([("1", shard("a", "c")), ("2", shard("a", "b", "c", "d")), ("3", shard("0", "a"))])
    assert [model.model for model in merged.models] == ["0", "a", "b", "c", "d"]


def test_of_one_check_twice_the_worse_is_kept_and_noted(report: RunReport) -> None:
    better = copy.deepcopy(report)
    check = better.models[1].exports[0].checks[1]
    check.outcome, check.message = "passed", ""
    better.models[1].exports[0].axes[1].verdict = "dynamic"
    for shards in ([("good", better), ("bad", report)], [("bad", report), ("good", better)]):
        merged, said = merge_reports(shards, place)
        assert merged.to_dict() == report.to_dict()
        assert len(said) == len([1 for model in report.models for _ in model.checks])
        noted = next(line for line in said if "axis[sequence] on" in line and "tests/x.py" in line)
        assert "failed" in noted
        assert "passed" in noted
        assert noted.endswith("kept is failed, of bad")


def test_environments_that_differ_are_listed(report: RunReport) -> None:
    other = RunReport({**report.environment, "torch": "2.14.1"}, [ModelResult("x")])
    merged, said = merge_reports([("a.json", report), ("b.json", other)], place)
    assert merged.environment["torch"] == "2.13.0 | 2.14.1"
    assert said == ["environments differ: torch 2.13.0 (a.json), 2.14.1 (b.json)"]


def test_a_whole_is_complete_only_if_all_its_parts_are(report: RunReport) -> None:
    merged, said = merge_reports([("a", report), ("b", RunReport(report.environment, complete=False))], place)
    assert not merged.complete
    assert said == ["b is incomplete, so the whole is"]


def test_backends_of_two_shards_have_a_ladder(report: RunReport) -> None:
    other = copy.deepcopy(report)
    for model in other.models:
        model.exports[0].backend = "onnx"
    merged, _ = merge_reports([("a", report), ("b", other)], place)
    assert merged.models == merge_models([*report.models, *other.models])
    assert merged.models[0].ladder[0] == {"axis": "batch", "torchscript": "dynamic", "onnx": "dynamic"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "it is not JSON"),
        ("[1]", "no report of a run"),
        ("{}", "no report of a run"),
        ('{"schema_version": 7, "models": []}', "its schema_version is 7, and 1 is known here"),
        ('{"schema_version": 1, "models": [{}]}', "its fields are not those of a report"),
        ('{"schema_version": 1, "models": [{"model": "m", "exports": [{"backend": "x", "axes": "?"}]}]}', "its fields"),
    ],
)
def test_bad_input(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(OptionError, match=said) as caught:
        read_report(str(path))
    assert "hint: give reports that" in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="there is no such file"):
        read_report(str(tmp_path / "a.json"))


def test_fields_of_a_later_release_are_passed_over(tmp_path: Path, report: RunReport) -> None:
    record: dict[str, Any] = report.to_dict()
    record["models"][0]["exports"][0]["axes"][0]["later"] = 1
    path = tmp_path / "a.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    assert read_report(str(path)).to_dict() == report.to_dict()
