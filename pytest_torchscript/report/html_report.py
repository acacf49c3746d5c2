"""The report as one HTML page that needs nothing else: no script, no style sheet, no font from outside."""

from __future__ import annotations

import textwrap
from html import escape
from typing import TYPE_CHECKING

from pytest_torchscript.report.wording import (
    FOUND,
    axis_detail,
    cost_text,
    device_text,
    environment_text,
    finding_text,
    ladder_text,
    model_text,
    outcome_text,
    outcome_word,
    place_text,
    portability_text,
    position,
    range_text,
    seconds_text,
    sizes_text,
    tried_text,
    values_text,
)
from pytest_torchscript.results import (
    SCHEMA_VERSION,
    AxisResult,
    Cause,
    ExportResult,
    ModelResult,
    RunReport,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .7rem 0; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .7rem; border-bottom: 1px solid #8884; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #8881; padding: .5rem; margin: .3rem 0; }
code { overflow-wrap: anywhere; }
.dynamic, .passed { color: #1a7f37; } .diverges, .failed, .error { color: #cf222e; font-weight: 600; }
.fixed { color: #bc4c00; font-weight: 600; } .static, .untested, .skipped { color: #6e7781; }
.quiet { color: #6e7781; }
svg text { font-size: 11px; fill: currentColor; }
"""


def to_html(report: RunReport) -> bytes:
    """Return the report as a page."""
    return ("\n".join(_page(report)) + "\n").encode()


def _page(report: RunReport) -> Iterator[str]:
    yield '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>TorchScript report</title><style>{_STYLE}</style></head>\n<body>\n<h1>TorchScript report</h1>"
    yield f'<p class="quiet">{escape(environment_text(report.environment))} · schema {SCHEMA_VERSION}</p>'
    yield from _overview(report.models)
    for number, model in enumerate(report.models):
        yield from _model(number, model)
    yield "</body>\n</html>"


def _overview(models: list[ModelResult]) -> Iterator[str]:
    if not models:
        yield "<p>No model was checked.</p>"
        return
    rows = []
    for number, model in enumerate(models):
        verdicts = [f"{escape(axis.axis)} {_verdict(axis.verdict)}" for export in model.exports for axis in export.axes]
        link = f'<a href="#model-{number}">{escape(model.model)}</a>'
        rows.append([link, escape(model_text(model)), escape(outcome_text(model.exports)), ", ".join(verdicts)])
    yield from _table(["model", "", "checks", "axes"], rows)


def _model(number: int, model: ModelResult) -> Iterator[str]:
    yield f'<h2 id="model-{number}">{escape(model.model)}</h2>\n<p>{escape(model_text(model))}</p>'
    if model.notes:
        yield f"<ul>{''.join(f'<li>{_note(note)}</li>' for note in model.notes)}</ul>"
    if model.inputs_found:
        yield f"<p>{escape(FOUND)}</p><pre>{escape(model.inputs_found)}</pre>"
    if model.ladder:
        backends = [export.backend for export in model.exports]
        yield f"<p>{escape(ladder_text(model))}</p>"
        rows = [[escape(row["axis"]), *(_verdict(row[backend]) for backend in backends)] for row in model.ladder]
        yield from _table(["axis", *map(escape, backends)], rows)
    for export in model.exports:
        yield from _export(export)


def _note(note: str) -> str:
    """Return a note; the lines of code below its sentence keep their form."""
    said, _, code_lines = note.partition("\n")
    return escape(said) + (f"<pre>{escape(textwrap.dedent(code_lines))}</pre>" if code_lines else "")


def _export(export: ExportResult) -> Iterator[str]:
    anchors = "; ".join(sizes_text(anchor) for anchor in export.anchors if anchor)
    yield f"<h3>{escape(export.backend)}: {escape(outcome_text([export]))}</h3>"
    if anchors:
        yield f"<p>traced at <code>{escape(anchors)}</code></p>"
    if export.device:
        yield f"<p>{escape(device_text(export.device))}</p>"
    yield from _axes(export)
    yield from _other_findings(export)
    yield from _signature(export)
    yield from _checks(export)


def _axes(export: ExportResult) -> Iterator[str]:
    if not export.axes:
        return
    rows = []
    for axis in export.axes:
        detail = escape(axis_detail(axis)) + _causes(axis.causes)
        sizes = f"{escape(tried_text(axis))}<br>{size_map(axis, _anchor_size(export, axis.axis))}"
        rows.append([escape(axis.axis), _verdict(axis.verdict), escape(range_text(axis)), sizes, detail])
    yield from _table(["axis", "verdict", "range", "sizes tried", ""], rows)


def _anchor_size(export: ExportResult, axis: str) -> int | None:
    return export.anchors[0].get(axis) if export.anchors else None


def _other_findings(export: ExportResult) -> Iterator[str]:
    items = []
    if values_text(export):
        at = escape(sizes_text(export.values.counterexample or {}))
        items.append(f"values {_verdict(export.values.verdict)} at <code>{at}</code>{_causes(export.values.causes)}")
    items += [f"{escape(finding_text(finding))}{_causes(finding.causes)}" for finding in export.anchor_findings]
    if portability_text(export.portability):
        items.append(f"warning: {escape(portability_text(export.portability))}")
    items += [f"padding: {escape(cost_text(cost))}" for cost in export.padding.buckets]
    if items:
        yield f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>"


def _causes(causes: Iterable[Cause]) -> str:
    blocks = []
    for cause in causes:
        place = f'<span title="{escape(cause.file)}">{escape(place_text(cause))}</span>'
        source = f"<pre>{escape(cause.source)}</pre>" if cause.source else ""
        blocks.append(f"<div><code>{place}</code>: {escape(cause.evidence)}{source}</div>")
    return "".join(blocks)


def _signature(export: ExportResult) -> Iterator[str]:
    sides = (("input", export.signature.inputs), ("output", export.signature.outputs))
    rows = [
        [side, f"<code>{escape(name)}</code>", escape(" × ".join(str(dim) for dim in dims) or "scalar")]
        for side, names in sides
        for name, dims in names.items()
    ]
    if rows:
        yield "<details><summary>signature</summary>"
        yield from _table(["", "name", "dims"], rows)
        yield "</details>"


def _checks(export: ExportResult) -> Iterator[str]:
    rows = []
    for check in export.checks:
        message = f"<pre>{escape(check.message)}</pre>" if check.message else ""
        rows.append([escape(check.name), _verdict(outcome_word(export, check)), seconds_text(check.seconds), message])
    if rows:
        yield from _table(["check", "outcome", "time", ""], rows)


def _verdict(word: str) -> str:
    return f'<span class="{escape(word)}">{escape(word)}</span>'


def _table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield f"<table><thead><tr>{''.join(f'<th>{cell}</th>' for cell in head)}</tr></thead><tbody>"
    for row in rows:
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>"
    yield "</tbody></table>"


def size_map(axis: AxisResult, anchor: int | None) -> str:
    """Return a drawing of the sizes tried, on a logarithmic scale: a ring for the anchor, red for the failure."""
    width, failing = 260, (axis.counterexample or {}).get(axis.axis)
    low, high = min([axis.min, *axis.tried]), max([axis.max, *axis.tried])
    dots = []
    for size in sorted({*axis.tried, *([] if failing is None else [failing])}):
        x = 10 + position(size, low, high) * (width - 20)
        colour = "#cf222e" if size == failing else "#1a7f37" if axis.verdict == "dynamic" else "#6e7781"
        dots.append(f'<circle cx="{x:.1f}" cy="12" r="4" fill="{colour}"><title>{size}</title></circle>')
    if anchor is not None:
        x = 10 + position(anchor, low, high) * (width - 20)
        ring = 'r="7" fill="none" stroke="currentColor"'
        dots.append(f'<circle cx="{x:.1f}" cy="12" {ring}><title>anchor</title></circle>')
    ends = f'<text x="2" y="32">{low}</text><text x="{width - 2}" y="32" text-anchor="end">{high}</text>'
    line = f'<line x1="10" y1="12" x2="{width - 10}" y2="12" stroke="#8888"/>'
    return f'<svg width="{width}" height="36" role="img" aria-label="sizes tried">{line}{"".join(dots)}{ends}</svg>'
