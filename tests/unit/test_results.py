from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_torchscript.results import (
    AnchorFinding,
    AxisResult,
    BucketCost,
    Cause,
    CheckResult,
    ExportResult,
    ModelResult,
    PaddingResult,
    RunReport,
    Signature,
    ValuesResult,
    from_plain,
    merge_models,
    to_plain,
)

CAUSE = Cause("model.py", 3, "forward", "x.shape[0]", "2 became 3")


def full_model() -> ModelResult:
    export = ExportResult(
        "torchscript",
        Signature({"x": ["batch", 3]}, {"y": ["batch"]}),
        [{"batch": 2}],
        [CheckResult("axis[batch]", "failed", 1.5, "why")],
        [AxisResult("batch", 1, 9, "diverges", [1, 2], {"batch": 1}, "RuntimeError: x", 0.5, [CAUSE], "because")],
        [AnchorFinding({"batch": 1}, ["mask"], "batch", "fixed", [CAUSE])],
        ValuesResult("diverges", {"mask": "left"}, [CAUSE]),
        PaddingResult("dynamic", None, [BucketCost({"batch": 4}, {"batch": 3}, 4 / 3, 0.2, 0.1)]),
        {"kind": "inf1"},
    )
    return ModelResult("m", "Model", "default", "tiny", 12, [export], ["a note"])


def test_the_record_has_the_names_of_the_contract() -> None:
    record = RunReport({"torch": "2"}, [full_model()]).to_dict()
    assert list(record) == ["schema_version", "complete", "environment", "models", "totals"]
    (model,) = record["models"]
    assert list(model) == ["model", "class", "task", "weights", "parameters", "exports", "notes"]
    (export,) = model["exports"]
    assert list(export) == [
        "backend", "signature", "anchors", "checks", "axes", "anchor_findings", "values", "padding", "device",
    ]  # fmt: skip
    assert list(export["checks"][0]) == ["name", "outcome", "seconds", "message", "passes", "reproducer"]
    assert list(export["axes"][0]) == [
        "axis", "min", "max", "verdict", "tried", "counterexample", "error", "max_abs_difference", "causes", "reason",
        "tried_at",
    ]  # fmt: skip
    assert list(export["axes"][0]["causes"][0]) == ["file", "line", "function", "source", "evidence"]
    assert list(export["anchor_findings"][0]) == ["anchor", "without", "axis", "verdict", "causes"]
    assert list(export["values"]) == ["verdict", "counterexample", "causes"]
    assert list(export["padding"]) == ["verdict", "counterexample", "buckets"]


def test_what_says_nothing_is_left_out_only_where_the_contract_allows() -> None:
    record = RunReport(models=[ModelResult("m", exports=[ExportResult("b", axes=[AxisResult("a", 1, 2)])])]).to_dict()
    (model,) = record["models"]
    (export,) = model["exports"]
    assert "notes" not in model
    assert "device" not in export
    assert "buckets" not in export["padding"]
    assert "reason" not in export["axes"][0]
    assert export["axes"][0]["counterexample"] is None
    assert export["checks"] == []


def test_a_record_travels_as_plain_data() -> None:
    model = full_model()
    text = json.dumps(to_plain(model), allow_nan=False)
    assert from_plain(ModelResult, json.loads(text)) == model


@given(st.floats())
def test_numbers_that_json_lacks_are_strings(value: float) -> None:
    plain = to_plain([value])[0]
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert (plain in ("nan", "inf", "-inf")) == (value - value != 0)


@pytest.mark.parametrize(
    ("cause", "text"),
    [(CAUSE, "model.py:3 in forward: 2 became 3"), (Cause("", 0, "", "", "2 became 3"), "line not known: 2 became 3")],
)
def test_a_cause_in_words(cause: Cause, text: str) -> None:
    assert str(cause) == text


def test_passed_failed_and_axis() -> None:
    model = full_model()
    assert not model.passed
    assert [check.name for check in model.failures] == ["axis[batch]"]
    assert model.axis("batch").verdict == "diverges"
    for name, backend in (("sequence", None), ("batch", "onnx")):
        with pytest.raises(KeyError):
            model.axis(name, backend)
    assert not ModelResult("m").passed
    assert not ModelResult("m", exports=[ExportResult("b", checks=[CheckResult("a", "skipped")])]).passed
    assert ModelResult("m", exports=[ExportResult("b", checks=[CheckResult("a"), CheckResult("c", "skipped")])]).passed


def piece(name: str, backend: str = "torchscript", **fields: object) -> ModelResult:
    return ModelResult("m", exports=[ExportResult(backend, checks=[CheckResult(name)], **fields)])


def test_pieces_are_joined_model_by_model_and_backend_by_backend() -> None:
    other = ModelResult("n", "Other")
    merged = merge_models([piece("trace"), other, full_model(), piece("outputs", "onnx"), piece("save_load")])
    assert [model.model for model in merged] == ["m", "n"]
    (first, second) = merged[0].exports
    assert [check.name for check in first.checks] == ["trace", "axis[batch]", "save_load"]
    assert second.backend == "onnx"
    assert (merged[0].class_name, merged[0].weights, merged[0].parameters) == ("Model", "tiny", 12)
    assert first.values.verdict == "diverges"
    assert first.padding.verdict == "dynamic"
    assert first.device == {"kind": "inf1"}


def test_a_rerun_replaces_and_nothing_stands_twice() -> None:
    (model,) = merge_models([full_model(), full_model(), piece("axis[batch]")])
    (export,) = model.exports
    assert [(check.name, check.outcome) for check in export.checks] == [("axis[batch]", "passed")]
    assert len(export.axes) == len(export.anchors) == len(export.anchor_findings) == len(model.notes) == 1


def test_joining_changes_no_piece() -> None:
    left, right = full_model(), piece("trace")
    merge_models([left, right, full_model()])
    assert left == full_model()
    assert right == piece("trace")
