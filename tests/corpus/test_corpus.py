"""The corpus as one table: every verdict as the sweep has it, every broken model's line named, no false alarm."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_torchscript import ModelResult, check

from .sweep import KEPT, OK, TRUTH, Subject, smallest_sizes, truth_of, verdict_of
from .sweep import is_broken as truly_broken
from .table import SPECIMENS

if TYPE_CHECKING:
    from .base import Specimen

TRUTHS: dict[str, Any] = json.loads(TRUTH.read_text(encoding="utf-8"))
BAD = ("fixed", "diverges")
#: All that judge a model by running it here; what starts a process or trains on other outputs has tests of its own.
CHECKS = ("trace", "determinism", "history", "outputs", "axis", "joint", "values", "sensitivity", "padding", "freeze")
RESWEPT = ("float_mean", "recurrence", "length_scale", "all_mask_skip", "square_int")


def is_broken(specimen: Specimen) -> bool:
    return truly_broken(TRUTHS[specimen.name])


def is_judged(truth: dict[str, Any]) -> bool:
    """Whether axes and values are told: not where the model changes itself, or the example itself is answered wrongly."""
    return truth.get("determinism", OK) == OK and truth.get("outputs", OK) == OK


def outcome_of(result: ModelResult, check: str) -> str:
    return next(found.outcome for found in result.checks if found.name == check)


def lines_in(message: str) -> set[tuple[str, int]]:
    return {(str(Path(file).resolve()), int(line)) for file, line in re.findall(r"(\S+\.py):(\d+)", message)}


def places(causes: Any) -> set[tuple[str, int]]:
    return {(str(Path(cause.file).resolve()), cause.line) for cause in causes[:5]}


@pytest.fixture(scope="module")
def results() -> dict[str, ModelResult]:
    return {}


def result_of(specimen: Specimen, results: dict[str, ModelResult]) -> ModelResult:
    """Return what the engine finds; asked once for the four questions below."""
    if specimen.name not in results:
        results[specimen.name] = check(
            specimen.factory(), inputs=specimen.inputs, anchor=specimen.anchor, name=specimen.name, checks=CHECKS
        )
    return results[specimen.name]


every_specimen = pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda specimen: specimen.name)
every_broken_one = pytest.mark.parametrize(
    "specimen", [*filter(is_broken, SPECIMENS)], ids=lambda specimen: specimen.name
)
every_sound_one = pytest.mark.parametrize(
    "specimen", [specimen for specimen in SPECIMENS if not is_broken(specimen)], ids=lambda specimen: specimen.name
)


@every_specimen
def test_verdicts_are_those_of_the_sweep(specimen: Specimen, results: dict[str, ModelResult]) -> None:
    result, truth = result_of(specimen, results), TRUTHS[specimen.name]
    for question in ("outputs", "determinism"):
        if question in truth:
            assert outcome_of(result, question) == ("passed" if truth[question] == OK else "failed")
    if "history" in truth:
        assert result.exports[0].history is not None
        assert result.exports[0].history.verdict == truth["history"]
    if not is_judged(truth):
        assert {axis.verdict for axis in result.exports[0].axes} <= {"untested"}
        return
    judged = {name: axis["verdict"] for name, axis in truth["axes"].items() if axis["verdict"] is not None}
    assert {name: result.axis(name).verdict for name in judged} == judged
    assert result.exports[0].values.verdict == truth["values"]


@every_broken_one
def test_a_line_to_blame_is_named(specimen: Specimen, results: dict[str, ModelResult]) -> None:
    result, truth, culprits = result_of(specimen, results), TRUTHS[specimen.name], specimen.culprits()
    if not is_judged(truth):
        (failure,) = result.failures
        assert lines_in(failure.message) & culprits, failure.message
        return
    if truth.get("history") == KEPT:
        history = next(found for found in result.checks if found.name == "history")
        assert lines_in(history.message) & culprits, history.message
        assert places(result.exports[0].history.causes) & culprits
    for name, axis in truth["axes"].items():
        if axis["verdict"] in BAD:
            assert places(result.axis(name).causes) & culprits, (name, result.axis(name).causes)
    if truth["values"] in BAD:
        assert places(result.exports[0].values.causes) & culprits, result.exports[0].values.causes
    if truth["joint"] in BAD and not any(axis["verdict"] in BAD for axis in truth["axes"].values()):
        message = next(found.message for found in result.checks if found.name == "joint")
        assert lines_in(message) & culprits, message


@every_broken_one
def test_the_counterexample_is_the_smallest(specimen: Specimen, results: dict[str, ModelResult]) -> None:
    result, truth = result_of(specimen, results), TRUTHS[specimen.name]
    if not is_judged(truth):
        return
    anchor = result.exports[0].anchors[0]
    subject = Subject(specimen, anchor)
    for name, axis in truth["axes"].items():
        if axis["verdict"] in BAD:
            counterexample = result.axis(name).counterexample
            assert counterexample is not None
            assert subject.outcome(counterexample) != OK
            if anchor == truth["anchor"] and truth["smallest"].get(name):
                assert counterexample in truth["smallest"][name]


@every_sound_one
def test_no_false_alarm(specimen: Specimen, results: dict[str, ModelResult]) -> None:
    result = result_of(specimen, results)
    assert [found.message for found in result.failures] == []
    assert [cause for export in result.exports for axis in export.axes for cause in axis.causes] == []
    assert [cause for export in result.exports for cause in export.values.causes] == []


@every_specimen
def test_lines_are_marked_in_broken_models_only(specimen: Specimen) -> None:
    """The same class may be broken at one anchor and sound at another: then its marks count for the broken one."""
    twice = [other for other in SPECIMENS if other.model is specimen.model]
    assert bool(specimen.culprits()) == any(map(is_broken, twice))


@pytest.mark.parametrize(
    "specimen", [specimen for specimen in SPECIMENS if specimen.name in RESWEPT], ids=lambda specimen: specimen.name
)
def test_the_stored_truth_is_what_a_sweep_finds(specimen: Specimen) -> None:
    assert truth_of(specimen) == TRUTHS[specimen.name]


def test_the_table_is_complete() -> None:
    names = [specimen.name for specimen in SPECIMENS]
    assert len(set(names)) == len(names) >= 40
    assert set(names) == set(TRUTHS)


def test_smallest_sizes_keep_what_has_nothing_below_it() -> None:
    tall, wide = {"a": 1, "b": 3}, {"a": 3, "b": 1}
    assert smallest_sizes([tall, {"a": 2, "b": 3}, wide]) == [tall, wide]
    assert verdict_of(["ok", "raises", "refused"]) == "fixed"
    assert verdict_of(["ok", "raises", "differs"]) == "diverges"
