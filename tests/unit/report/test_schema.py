"""The JSON Schema that ships with the package describes what is written, and nothing else."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import pytest_torchscript
from pytest_torchscript import results
from pytest_torchscript.results import JointResult, RunReport, SpeedAt, Tried

SCHEMA = Path(pytest_torchscript.__file__).parent / "report" / "record.schema.json"
#: What the schema calls the dataclasses of the record.
NAMES = {
    "cause": results.Cause,
    "tried": Tried,
    "check": results.CheckResult,
    "axis": results.AxisResult,
    "anchor_finding": results.AnchorFinding,
    "values": results.ValuesResult,
    "bucket": results.BucketCost,
    "padding": results.PaddingResult,
    "history": results.HistoryResult,
    "portability": results.Portability,
    "joint": JointResult,
    "speed": SpeedAt,
    "signature": results.Signature,
    "export": results.ExportResult,
    "model": results.ModelResult,
}


def schema() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return data


def strict(part: Any) -> Any:
    """Return a schema that takes no field it does not name."""
    if isinstance(part, list):
        return [strict(item) for item in part]
    if not isinstance(part, Mapping):
        return part
    made = {key: strict(value) for key, value in part.items()}
    return {**made, "additionalProperties": False} if "properties" in made else made


def errors_of(record: Any) -> list[str]:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema validates records")
    return [error.message for error in jsonschema.Draft202012Validator(strict(schema())).iter_errors(record)]


def test_every_field_is_described() -> None:
    for name, kind in NAMES.items():
        fields = {results._RENAMED.get(item.name, item.name) for item in dataclasses.fields(kind)}
        assert fields == schema()["$defs"][name]["properties"].keys(), name
    top = {item.name for item in dataclasses.fields(RunReport)} | {"schema_version", "totals"}
    assert top == schema()["properties"].keys()


def test_a_record_is_valid(report: RunReport) -> None:
    export = report.models[1].exports[0]
    export.axes[1].tried_at = [Tried({"batch": 2, "sequence": 1}, "differs", float("inf")), Tried({}, "refused")]
    export.joint = JointResult([Tried({"batch": 1}, "agrees", 0.0)], {"batch": 1})
    export.speed = [SpeedAt({"batch": 1}, 0.25, 0.5)]
    export.checks[1].reproducer = "out/script.py"
    export.history, export.portability = results.HistoryResult(), results.Portability()
    assert errors_of(report.to_dict()) == []
    assert errors_of(RunReport(complete=False).to_dict()) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema_version",), 2),
        (("complete",), "yes"),
        (("models", 0, "exports", 0, "checks", 0, "outcome"), "ok"),
        (("models", 0, "exports", 0, "axes", 0, "verdict"), "wrong"),
        (("models", 0, "exports", 0, "axes", 0, "tried"), ["1"]),
        (("models", 0, "surplus"), 1),
    ],
)
def test_another_record_is_not(report: RunReport, path: tuple[Any, ...], value: Any) -> None:
    record: Any = report.to_dict()
    place = record
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert len(errors_of(record)) == 1


def test_a_record_read_back_is_the_same(report: RunReport) -> None:
    assert RunReport.from_dict(json.loads(json.dumps(report.to_dict()))).to_dict() == report.to_dict()
