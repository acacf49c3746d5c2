"""The report as one HTML page that needs nothing else: no script, no style sheet, no font from outside.

Templates of Jinja2 stand in ``templates/``. Whatever comes from a model is escaped by them; pictures alone are handed over
as markup, and matplotlib escapes what stands in those. Both come with the extra `report`.
"""

from __future__ import annotations

import shlex
import textwrap
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from pytest_torchscript.errors import visible
from pytest_torchscript.report import wording
from pytest_torchscript.report.picture import MARKS, Picture, pictures, speed_svg, to_svg
from pytest_torchscript.results import SCHEMA_VERSION, Cause, CheckResult, ExportResult, ModelResult, RunReport

#: Verdicts and outcomes are told by a sign and a word as well as by a colour.
_SIGNS = {
    **dict.fromkeys(("passed", "dynamic", "static", "agrees"), "●"),
    **dict.fromkeys(("failed", "diverges", "differs", "error"), "✕"),
    **dict.fromkeys(("fixed", "raises"), "■"),
    **dict.fromkeys(("skipped", "untested", "refused", "undecidable", "unchecked"), "○"),
    "emulated": "◐",
}
#: What stands in text for the markers of pictures.
_DRAWN_AS = {"o": "●", "X": "✕", "s": "■", "v": "▽", "D": "◆"}
#: What a model may be, in the order of the filters: its checks failed, passed, or told nothing.
_STATES = ("failed", "passed", "unchecked")


class Drawn(NamedTuple):
    """A picture, as markup and as data."""

    svg: str
    picture: Picture


def to_html(report: RunReport) -> bytes:
    """Return the report as a page; models that failed stand first."""
    import jinja2

    folder = Path(__file__).parent / "templates"
    # Everything is escaped: style and script are our own files, and hold none of the signs that would be.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=_is_markup,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(_FILTERS)
    numbers = count()
    models = sorted(report.models, key=lambda model: not model.failures)
    states = [_state(model) for model in models]
    verdicts = Counter(verdict for model in models for verdict in _axis_verdicts(model))

    def draw(export: ExportResult) -> list[Drawn]:
        return [Drawn(to_svg(picture, next(numbers)), picture) for picture in pictures(export)]

    page = environment.get_template("page.html.j2").render(
        report=report,
        models=models,
        verdict=wording.verdict_text(report),
        counts=wording.counts_text(report),
        schema=SCHEMA_VERSION,
        incomplete=wording.INCOMPLETE,
        found=wording.FOUND,
        signs=_SIGNS,
        marks=[{"sign": _DRAWN_AS[mark.marker], "word": mark.word} for mark in reversed(list(MARKS.values()))],
        filters=[(state, states.count(state)) for state in _STATES if state in states],
        axis_filters=[(verdict, verdicts[verdict]) for verdict in wording.VERDICTS if verdict in verdicts],
        draw=draw,
        draw_speed=lambda export: speed_svg(export, next(numbers)),
    )
    return (page + "\n").encode()


def _is_markup(name: str | None) -> bool:
    return name is None or name.endswith(".j2")


def _state(model: ModelResult) -> str:
    return "failed" if model.failures else "passed" if model.passed else "unchecked"


def _axis_verdicts(model: ModelResult) -> list[str]:
    """Return the verdicts that axes of a model have, each once, the worse ones first."""
    found = {axis.verdict for export in model.exports for axis in export.axes}
    return [verdict for verdict in wording.VERDICTS if verdict in found]


def _note_parts(note: str) -> tuple[str, str]:
    """Return the sentence of a note, and the lines of code below it in their form."""
    said, _, lines = note.partition("\n")
    return said, textwrap.dedent(lines)


def _parts(cause: Cause) -> tuple[str, str, str]:
    """Return a source line before, within and behind the expression that is marked."""
    if not cause.column:
        return visible(cause.source), "", ""
    first, last = cause.column - 1, cause.end_column
    return visible(cause.source[:first]), visible(cause.source[first:last]), visible(cause.source[last:])


def _command(check: CheckResult, name: str) -> str:
    """Return the command that a message gives behind a name: ``again``, ``reproducer``."""
    lines = [line.strip() for line in check.message.splitlines()]
    return next((line[len(name) + 2 :] for line in lines if line.startswith(f"{name}: ")), "")


def _reproducer(check: CheckResult) -> str:
    """Return the command that runs the script of a failure: as the message gives it, with the path that it imports from."""
    if not check.reproducer:
        return ""
    return _command(check, "reproducer") or f"python {shlex.quote(check.reproducer)}"


def _message_parts(message: str) -> Iterator[tuple[str, bool]]:
    """Yield the lines of a message; a source line together with the carets below it, which must not be parted."""
    lines = visible(message).split("\n")
    for number, line in enumerate(lines):
        last = number == len(lines) - 1
        if not last and _is_carets(lines[number + 1]):
            yield f"{line}\n{lines[number + 1]}", True
        elif not _is_carets(line):
            yield line if last else f"{line}\n", False


def _is_carets(line: str) -> bool:
    return set(line.strip()) == {"^"}


def _findings(export: ExportResult) -> list[tuple[str, list[Cause]]]:
    """Return what else is to be told of an export, each with the lines that explain it."""
    found: list[tuple[str, list[Cause]]] = [
        (wording.finding_text(finding), finding.causes) for finding in export.anchor_findings
    ]
    if wording.portability_text(export.portability):
        found.append((f"warning: {wording.portability_text(export.portability)}", []))
    found += [(f"padding: {wording.cost_text(cost)}", []) for cost in export.padding.buckets]
    return found


_FILTERS: dict[str, Any] = {
    "visible": visible,
    "environment": wording.environment_text,
    "model_text": wording.model_text,
    "state": _state,
    "outcomes": wording.outcome_text,
    "outcome": wording.outcome_word,
    "place": wording.place_text,
    "parts": _parts,
    "sizes": wording.sizes_text,
    "number": wording.number_text,
    "seconds": wording.seconds_text,
    "device": wording.device_text,
    "range": wording.range_text,
    "tried": wording.tried_text,
    "detail": wording.axis_detail,
    "values_said": wording.values_text,
    "ladder_text": wording.ladder_text,
    "first_line": wording.message_line,
    "note_parts": _note_parts,
    "findings": _findings,
    "command": _command,
    "reproducer": _reproducer,
    "message_parts": _message_parts,
    "axis_verdicts": _axis_verdicts,
}
