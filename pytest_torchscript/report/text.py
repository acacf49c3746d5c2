"""The summary at the end of a run: what was checked with which weights, and what became of every axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_torchscript.report.wording import (
    FOUND,
    axis_detail,
    cause_text,
    cost_text,
    device_text,
    finding_text,
    ladder_text,
    model_text,
    outcome_text,
    portability_text,
    range_text,
    sizes_text,
    skips_text,
    tried_text,
    values_text,
)
from pytest_torchscript.results import PASSED, ExportResult, ModelResult, RunReport

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_INDENT = "  "
_CAUSES = 3
#: Checks that are asked for what they say: it is shown where they pass, too.
_TOLD = ("speed",)


def summary_lines(report: RunReport) -> Iterator[str]:
    """Yield the lines of the terminal summary, model by model."""
    for model in report.models:
        yield from _model_lines(model)


def _model_lines(model: ModelResult) -> Iterator[str]:
    yield f"{model.model}: {model_text(model)}"
    for note in model.notes:
        yield from _indented(f"note: {note}")
    if model.inputs_found:
        yield from _indented(f"{FOUND}\n{model.inputs_found}")
    for export in model.exports:
        yield from _export_lines(export)
    yield from _ladder_lines(model)


def _ladder_lines(model: ModelResult) -> Iterator[str]:
    if not model.ladder:
        return
    backends = [export.backend for export in model.exports]
    rows = [("axis", *backends), *((row["axis"], *(row[backend] for backend in backends)) for row in model.ladder)]
    yield from (_INDENT + line for line in _aligned(rows))
    yield from _indented(ladder_text(model))


def _indented(text: str, depth: int = 1) -> Iterator[str]:
    for line in text.splitlines():
        yield _INDENT * depth + line


def _export_lines(export: ExportResult) -> Iterator[str]:
    traced = f", traced at {sizes_text(export.anchors[0])}" if export.anchors and export.anchors[0] else ""
    yield f"{_INDENT}{export.backend}: {outcome_text([export])}{traced}"
    if export.device:
        yield from _indented(device_text(export.device), 2)
    yield from _axis_lines(export)
    if values_text(export):
        yield from _indented(f"{values_text(export)} at {sizes_text(export.values.counterexample or {})}", 2)
        yield from (f"{_INDENT * 3}{cause_text(cause)}" for cause in export.values.causes[:_CAUSES])
    for finding in export.anchor_findings:
        yield from _indented(f"warning: {finding_text(finding)}", 2)
        yield from (f"{_INDENT * 3}{cause_text(cause)}" for cause in finding.causes[:1])
    if portability_text(export.portability):
        yield from _indented(f"warning: {portability_text(export.portability)}", 2)
    for cost in export.padding.buckets:
        yield from _indented(f"padding: {cost_text(cost)}", 2)
    for check in export.checks:
        if check.name in _TOLD and check.outcome == PASSED:
            yield from _indented(f"{check.name}: {check.message}", 2)
    yield from (_INDENT * 2 + line for line in skips_text(export.checks))


def _axis_lines(export: ExportResult) -> Iterator[str]:
    rows = [("axis", "verdict", "range", "tried", "")]
    rows += [(axis.axis, axis.verdict, range_text(axis), tried_text(axis), axis_detail(axis)) for axis in export.axes]
    if len(rows) == 1:
        return
    header, *lines = _aligned(rows)
    yield _INDENT * 2 + header
    for axis, line in zip(export.axes, lines):
        yield _INDENT * 2 + line
        yield from (f"{_INDENT * 3}{cause_text(cause)}" for cause in axis.causes[:_CAUSES])


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip()
