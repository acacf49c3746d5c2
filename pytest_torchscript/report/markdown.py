"""The report as Markdown, for the job summary of a CI run (GitHub's flavour)."""

from __future__ import annotations

import html
import re
import textwrap
from typing import TYPE_CHECKING

from pytest_torchscript.errors import visible
from pytest_torchscript.report.wording import (
    BAD,
    FOUND,
    INCOMPLETE,
    axis_detail,
    cause_text,
    cost_text,
    device_text,
    environment_text,
    finding_text,
    is_emulated,
    ladder_text,
    message_line,
    model_text,
    outcome_text,
    outcome_word,
    portability_text,
    range_text,
    sizes_text,
    tried_text,
    values_text,
    verdict_text,
)
from pytest_torchscript.results import (
    ERROR,
    FAILED,
    Cause,
    CheckResult,
    ExportResult,
    ModelResult,
    RunReport,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_MESSAGE_LIMIT = 4000
#: GitHub refuses a job summary of more than 1 MiB.
LIMIT = 1_000_000


def to_markdown(report: RunReport, *, limit: int = LIMIT) -> bytes:
    """Return the report as Markdown of about so many bytes at most: models that no longer fit are left out, and it says so."""
    text = "\n".join(_lines(report)) + "\n"
    encoded = text.encode()
    if len(encoded) <= limit:
        return encoded
    cut = encoded[:limit].decode(errors="ignore").rsplit("\n\n## ", 1)[0]
    return f"{cut}\n\nThe rest is left out: the report is larger than a job summary may be.\n".encode()


def _lines(report: RunReport) -> Iterator[str]:
    yield f"# TorchScript: {verdict_text(report)}"
    yield ""
    if not report.complete:
        yield f"**{INCOMPLETE}**"
        yield ""
    yield literal(environment_text(report.environment))
    for model in report.models:
        yield from _model(model)


def _model(model: ModelResult) -> Iterator[str]:
    yield ""
    yield f"## {_sign(model)} {code(model.model)}"
    yield ""
    yield literal(model_text(model))
    for note in model.notes:
        said, _, code_lines = note.partition("\n")
        yield ""
        yield f"> {literal(' '.join(said.split()))}"
        yield from _block(textwrap.dedent(code_lines), "python") if code_lines else ()
    if model.inputs_found:
        yield ""
        yield f"> {FOUND}"
        yield from _block(model.inputs_found, "python")
    yield from _ladder(model)
    for export in model.exports:
        yield from _export(export)


def _ladder(model: ModelResult) -> Iterator[str]:
    if not model.ladder:
        return
    backends = [export.backend for export in model.exports]
    yield ""
    yield literal(ladder_text(model))
    yield ""
    yield f"| axis | {' | '.join(map(literal, backends))} |"
    yield "|---" * (len(backends) + 1) + "|"
    for row in model.ladder:
        yield f"| {code(row['axis'])} | {' | '.join(_verdict_cell(row[backend]) for backend in backends)} |"


def _verdict_cell(verdict: str) -> str:
    return f"**{verdict}**" if verdict in BAD else verdict


def _sign(model: ModelResult) -> str:
    if model.failures:
        return "❌"
    return "✅" if model.passed and not is_emulated(model) else "⚪"


def _export(export: ExportResult) -> Iterator[str]:
    anchor = f", traced at {code(sizes_text(export.anchors[0]))}" if export.anchors and export.anchors[0] else ""
    yield ""
    yield f"**{literal(export.backend)}**: {outcome_text([export])}{anchor}"
    if export.device:
        yield ""
        yield literal(device_text(export.device))
    yield from _axes(export)
    yield from _findings(export)
    for check in export.checks:
        if check.outcome in (FAILED, ERROR):
            yield from _message(check)
    yield from _rest(export)


def _rest(export: ExportResult) -> Iterator[str]:
    checks = [check for check in export.checks if check.outcome not in (FAILED, ERROR)]
    if not checks:
        return
    yield ""
    yield "<details><summary>what else was checked</summary>"
    yield ""
    for check in checks:
        said = message_line(check)
        yield f"- {code(check.name)} {outcome_word(export, check)}" + (f": {literal(said)}" if said else "")
    yield ""
    yield "</details>"


def _axes(export: ExportResult) -> Iterator[str]:
    if not export.axes:
        return
    yield ""
    yield "| axis | verdict | range | tried | |"
    yield "|---|---|---|---|---|"
    for axis in export.axes:
        cells = [
            code(axis.axis),
            _verdict_cell(axis.verdict),
            range_text(axis),
            tried_text(axis),
            literal(axis_detail(axis)),
        ]
        cells[-1] += "".join(f"<br>{code(cause_text(cause))}{_marked(cause)}" for cause in axis.causes)
        yield f"| {' | '.join(cells)} |"


def _findings(export: ExportResult) -> Iterator[str]:
    lines = []
    if values_text(export):
        at = code(sizes_text(export.values.counterexample or {}))
        lines.append(
            f"{values_text(export)} at {at}" + "".join(f"; {code(cause_text(it))}" for it in export.values.causes)
        )
    for finding in export.anchor_findings:
        at = "".join(f"; {code(cause_text(cause))}" for cause in finding.causes[:1])
        lines.append(f"⚠️ {literal(finding_text(finding))}{at}")
    if portability_text(export.portability):
        lines.append(f"warning: {literal(portability_text(export.portability))}")
    lines += [f"padding: {literal(cost_text(cost))}" for cost in export.padding.buckets]
    if lines:
        yield ""
        yield from (f"- {line}" for line in lines)


def _marked(cause: Cause) -> str:
    """Return the source line of a cause with its expression marked, as far as a cell of a table can."""
    if not cause.column:
        return ""
    first, last = cause.column - 1, cause.end_column
    before, within, behind = cause.source[:first], cause.source[first:last], cause.source[last:]
    return f"<br><code>{literal(before)}<b>{literal(within)}</b>{literal(behind)}</code>"


def _message(check: CheckResult) -> Iterator[str]:
    message = check.message
    if len(message) > _MESSAGE_LIMIT:
        message = message[:_MESSAGE_LIMIT] + "\n…"
    yield ""
    yield f"<details open><summary>{code(check.name)} {check.outcome}</summary>"
    yield from _block(message, "text")
    yield ""
    yield "</details>"


def _block(text: str, language: str) -> Iterator[str]:
    """Yield a block of code, fenced by more backticks than it holds."""
    text = visible(text)
    fence = "`" * (1 + max([2, *(len(run) for run in re.findall(r"`+", text))]))
    yield ""
    yield f"{fence}{language}\n{text}\n{fence}"


def literal(text: str) -> str:
    """Return text that Markdown and HTML show as it is, in a table cell too."""
    escaped = html.escape(" ".join(visible(text).split("\n")), quote=False)
    return re.sub(r"[|*`\[\]\\~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", lambda sign: f"&#{ord(sign.group())};", escaped)


def code(text: str) -> str:
    """Return text as inline code; a backtick or a bar in it does no harm."""
    return f"<code>{literal(text)}</code>"
