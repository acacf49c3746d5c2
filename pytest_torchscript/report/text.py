"""The summary at the end of a run: what failed in full, what is sound in a line, a count.

What each was checked with stands in both: the weights really used, the axes and their verdicts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_torchscript.errors import visible
from pytest_torchscript.report.wording import (
    FOUND,
    axes_text,
    axis_detail,
    cause_text,
    cost_text,
    counts_text,
    device_text,
    finding_text,
    ladder_text,
    model_text,
    number_text,
    outcome_text,
    portability_text,
    range_text,
    sizes_text,
    skips_text,
    tried_text,
    values_text,
)
from pytest_torchscript.results import FAILED, PASSED, ExportResult, ModelResult, RunReport

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

_INDENT = "  "
_CAUSES, _SKIPS = 3, 2
#: Checks that are asked for what they say: it is shown where they pass, too.
_TOLD = ("speed",)


def summary_lines(report: RunReport, *, verbose: bool = False) -> Iterator[str]:
    """Yield the lines of the terminal summary: failing models first and in full, sound ones in a line each, a count.

    A run of one model, and one that is ``verbose``, tells all in full.
    """
    for line in _lines(report, verbose=verbose):
        yield visible(line).replace("\n", "\\n")


def _lines(report: RunReport, *, verbose: bool) -> Iterator[str]:
    full = [model for model in report.models if model.failures or verbose or len(report.models) == 1]
    short = [model for model in report.models if model not in full]
    for model in sorted(full, key=lambda model: not model.failures):
        yield from _model_lines(model, brief=bool(model.failures) and not verbose)
    for model in short:
        yield _short_line(model)
    yield from _common_notes(short)
    if len(report.models) > 1:
        yield counts_text(report)


def tried_lines(models: Sequence[ModelResult]) -> Iterator[str]:
    """Yield every trial of every axis, in its order."""
    for model in models:
        for export in model.exports:
            for axis in export.axes:
                yield visible(f"{axis.axis}, in the order of trial:").replace("\n", "\\n")
                rows = [("", "sizes", "result", "max |difference|")]
                rows += [
                    ("", sizes_text(tried.sizes), tried.result, number_text(tried.max_abs_difference))
                    for tried in axis.tried_at
                ]
                yield from map(visible, _aligned(rows))


def _short_line(model: ModelResult) -> str:
    told = "; ".join(filter(None, [outcome_text(model.exports), axes_text(model), _more_text(model)]))
    return f"{model.model}: {model_text(model)}: {told}"


def _more_text(model: ModelResult) -> str:
    """Return how much more there is to read of a sound model under ``-v`` and in the reports."""
    warnings = sum(len(export.anchor_findings) + bool(portability_text(export.portability)) for export in model.exports)
    parts = ["1 warning" if warnings == 1 else f"{warnings} warnings"] if warnings else []
    return ", ".join([*parts, *(["inputs found"] if model.inputs_found else [])])


def _common_notes(models: Sequence[ModelResult]) -> Iterator[str]:
    """Yield what is noted of the models told in short: a note of several stands once, and its first line alone."""
    noted: dict[str, list[str]] = {}
    for model in models:
        for note in model.notes:
            noted.setdefault(note.partition("\n")[0], []).append(model.model)
    for note, names in noted.items():
        yield f"note: {names[0]}: {note}" if len(names) == 1 else f"note: {len(names)} models: {note}"
    if noted or any(map(_more_text, models)):
        yield "-v tells sound models in full, and so do the reports"


def _model_lines(model: ModelResult, *, brief: bool) -> Iterator[str]:
    """Yield the lines of a model; ``brief`` leaves out what the failures above have said, and the less telling skips."""
    yield f"{model.model}: {model_text(model)}"
    for note in model.notes:
        yield from _indented(f"note: {note}")
    if model.inputs_found:
        yield from _indented(f"{FOUND}\n{model.inputs_found}")
    for export in model.exports:
        yield from _export_lines(export, brief=brief)
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


def _export_lines(export: ExportResult, *, brief: bool) -> Iterator[str]:
    told = {check.name for check in export.checks if check.outcome == FAILED} if brief else set()
    traced = f", traced at {sizes_text(export.anchors[0])}" if export.anchors and export.anchors[0] else ""
    yield f"{_INDENT}{export.backend}: {outcome_text([export])}{traced}"
    if export.device:
        yield from _indented(device_text(export.device), 2)
    yield from _axis_lines(export, told)
    if values_text(export):
        yield from _indented(f"{values_text(export)} at {sizes_text(export.values.counterexample or {})}", 2)
        causes = [] if "values" in told else export.values.causes[:_CAUSES]
        yield from (f"{_INDENT * 3}{cause_text(cause)}" for cause in causes)
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
    skips = list(skips_text(export.checks))
    if brief and len(skips) > _SKIPS + 1:
        skips[_SKIPS:] = [f"skipped for other reasons, which -v tells: {len(skips) - _SKIPS} more"]
    yield from (_INDENT * 2 + line for line in skips)


def _axis_lines(export: ExportResult, told: Collection[str]) -> Iterator[str]:
    rows = [("axis", "verdict", "range", "tried", "")]
    rows += [(axis.axis, axis.verdict, range_text(axis), tried_text(axis), axis_detail(axis)) for axis in export.axes]
    if len(rows) == 1:
        return
    header, *lines = _aligned(rows)
    yield _INDENT * 2 + header
    for axis, line in zip(export.axes, lines):
        yield _INDENT * 2 + line
        causes = [] if f"axis[{axis.axis}]" in told else axis.causes[:_CAUSES]
        yield from (f"{_INDENT * 3}{cause_text(cause)}" for cause in causes)


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip()
