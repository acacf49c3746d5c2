"""Shards of one run joined into one report: ``python -m pytest_torchscript merge A.json B.json --report all.html``."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pytest_torchscript.errors import OptionError, first_line
from pytest_torchscript.report.text import summary_lines
from pytest_torchscript.results import (
    ERROR,
    FAILED,
    PASSED,
    SCHEMA_VERSION,
    SKIPPED,
    UNTESTED,
    AxisResult,
    CheckResult,
    ExportResult,
    ModelResult,
    RunReport,
    merge_models,
)

_HINT = "give reports that --torchscript-report wrote as .json"
#: The worse first.
_WORSE = (FAILED, ERROR, SKIPPED, PASSED)
#: What a check fills of an export, beside its axes.
_PARTS = {"values": "values", "padding": "padding", "history": "history", "device": "portability", "joint": "joint"}
_LISTS = ("anchors", "anchor_findings")


def read_report(path: str) -> RunReport:
    """Return the report that a file holds. OptionError where it holds none, or one of another schema."""

    def wrong(what: str) -> OptionError:
        return OptionError(f"report {path!r}: {what}", hint=_HINT)

    try:
        data: Any = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise wrong("there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise wrong(f"it cannot be read: {first_line(error)}") from None
    except (ValueError, RecursionError) as error:
        raise wrong(f"it is not JSON: {first_line(error)}") from None
    if not isinstance(data, dict) or "schema_version" not in data or "models" not in data:
        raise wrong("it is JSON, but no report of a run")
    if data["schema_version"] != SCHEMA_VERSION:
        raise wrong(f"its schema_version is {data['schema_version']!r}, and {SCHEMA_VERSION} is known here")
    try:
        report = RunReport.from_dict(data)
        list(summary_lines(report, verbose=True))  # what cannot be told was not understood
    except Exception as error:
        raise wrong(f"its fields are not those of a report: {first_line(error)}") from None
    return report


def merge_reports(
    parts: Sequence[tuple[str, RunReport]], place: Callable[[str], int] = lambda _: 0
) -> tuple[RunReport, list[str]]:
    """Join reports, each with the name it is told by; return the whole and what is to be said about it.

    ``place`` gives the place of a check in the suite: what shards ran in pieces stands in its order. Of a check that stands
    in two reports the worse outcome is kept.
    """
    models: list[ModelResult] = []
    origin: dict[tuple[str, str, str], str] = {}
    said: list[str] = []
    for path, report in parts:
        for number, piece in enumerate(report.models):
            names = [model.model for model in models]
            if piece.model not in names:
                models.insert(_place_of(number, report.models, names), ModelResult(piece.model))
            model = next(model for model in models if model.model == piece.model)
            _join_model(model, piece, path, origin, said)
    for model in models:
        for export in model.exports:
            _sort(export, place)
    whole = RunReport(_environment(parts, said), merge_models(models), all(report.complete for _, report in parts))
    said += [f"{path} is incomplete, so the whole is" for path, report in parts if not report.complete]
    return whole, said


def _place_of(number: int, models: Sequence[ModelResult], names: Sequence[str]) -> int:
    """Return where a model belongs among others: behind the one before it in its own report, else before the next."""
    if number and models[number - 1].model in names:
        return names.index(models[number - 1].model) + 1
    later = next((model.model for model in models[number + 1 :] if model.model in names), None)
    return len(names) if later is None else names.index(later)


def _join_model(
    model: ModelResult, piece: ModelResult, path: str, origin: dict[tuple[str, str, str], str], said: list[str]
) -> None:
    for name in ("class_name", "weights", "parameters", "device", "dtype", "inputs_found"):
        setattr(model, name, getattr(model, name) or getattr(piece, name))
    if piece.class_name:
        model.task = piece.task
    model.notes.extend(note for note in piece.notes if note not in model.notes)
    for added in piece.exports:
        export = next((known for known in model.exports if known.backend == added.backend), None)
        if export is None:
            model.exports.append(export := ExportResult(added.backend))
        for check in added.checks:
            key = (model.model, added.backend, check.name)
            known = next((other for other in export.checks if other.name == check.name), None)
            if known is None:
                export.checks.append(check)
            else:
                worse = _WORSE.index(check.outcome) < _WORSE.index(known.outcome)
                said.append(_twice(key, known, check, origin[key], path, worse=worse))
                if not worse:
                    continue
                export.checks[export.checks.index(known)] = check
            origin[key] = path
            _take_parts(export, added, check.name)
        _take_rest(export, added)


def _twice(
    key: tuple[str, str, str], known: CheckResult, check: CheckResult, first: str, second: str, *, worse: bool
) -> str:
    kept, path = (check, second) if worse else (known, first)
    where = f"{key[0]}: {key[2]} on {key[1]} stands in {first} ({known.outcome}) and {second} ({check.outcome})"
    return f"{where}: kept is {kept.outcome}, of {path}"


def _take_parts(export: ExportResult, added: ExportResult, check: str) -> None:
    """Take over what one check filled."""
    name, bracket, axis = check.partition("[")
    if name == "axis":
        of_check = [found for found in added.axes if not bracket or found.axis == axis.rstrip("]")]
        names = {found.axis for found in of_check}
        export.axes = [found for found in export.axes if found.axis not in names] + of_check
    if name in _PARTS:
        setattr(export, _PARTS[name], getattr(added, _PARTS[name]))
    if name == "speed":
        export.speed = added.speed


def _take_rest(export: ExportResult, added: ExportResult) -> None:
    """Take over what belongs to no check alone, and axes that no check of this name filled."""
    for name in _LISTS:
        kept = getattr(export, name)
        kept.extend(item for item in getattr(added, name) if item not in kept)
    known = {found.axis for found in export.axes}
    export.axes += [found for found in added.axes if found.axis not in known]
    if added.signature.outputs or (added.signature.inputs and not export.signature.inputs):
        export.signature = added.signature
    for name in ("values", "padding"):
        if getattr(export, name).verdict == UNTESTED:
            setattr(export, name, getattr(added, name))
    export.device = export.device or added.device


def _sort(export: ExportResult, place: Callable[[str], int]) -> None:
    """Put checks into the order of the suite, and axes into the order of the anchor."""
    order = list(export.anchors[0]) if export.anchors else []

    def of_axis(name: str) -> int:
        return order.index(name) if name in order else len(order)

    def of_check(check: CheckResult) -> tuple[int, int]:
        name, _, axis = check.name.partition("[")
        return place(name), of_axis(axis.rstrip("]"))

    def of_result(axis: AxisResult) -> int:
        return of_axis(axis.axis)

    export.checks.sort(key=of_check)
    export.axes.sort(key=of_result)


def _environment(parts: Sequence[tuple[str, RunReport]], said: list[str]) -> dict[str, str]:
    """Return the environment of all; where they differ each value stands in it, and it is said whose is which."""
    found: dict[str, dict[str, list[str]]] = {}
    for path, report in parts:
        for name, value in report.environment.items():
            found.setdefault(name, {}).setdefault(value, []).append(path)
    for name, values in found.items():
        if len(values) > 1:
            listed = ", ".join(f"{value} ({', '.join(paths)})" for value, paths in values.items())
            said.append(f"environments differ: {name} {listed}")
    return {name: " | ".join(values) for name, values in found.items()}
