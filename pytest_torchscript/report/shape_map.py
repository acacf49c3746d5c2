"""The report as a picture: a row for every axis, with the sizes tried on a logarithmic scale and the verdict."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_torchscript.report.raster import Canvas, Colour, text_width
from pytest_torchscript.report.wording import position
from pytest_torchscript.results import DIVERGES, DYNAMIC, FIXED, AxisResult, RunReport

_WIDTH, _LEFT, _RIGHT = 1000, 330, 830
_HEADER, _ROW, _FOOTER = 34, 30, 30
_INK, _QUIET, _LINE = (31, 35, 40), (110, 119, 129), (208, 215, 222)
_RED = (207, 34, 46)
_COLOURS: dict[str, Colour] = {DYNAMIC: (26, 127, 55), DIVERGES: _RED, FIXED: (188, 76, 0)}


@dataclass(frozen=True)
class _Row:
    axis: AxisResult
    anchor: int | None


def to_png(report: RunReport) -> bytes:
    """Return the map as PNG, 1000 points wide."""
    groups = [
        (f"{model.model} {export.backend}", [_Row(axis, _anchor(export.anchors, axis.axis)) for axis in export.axes])
        for model in report.models
        for export in model.exports
        if export.axes
    ]
    rows = sum(len(axes) for _, axes in groups)
    canvas = Canvas(_WIDTH, max(1, len(groups)) * _HEADER + rows * _ROW + _FOOTER)
    if not groups:
        canvas.text(16, 12, "no axis was tried", _INK)
    y = 10
    for title, axes in groups:
        canvas.text(16, y, _short(title, _WIDTH - 32), _INK)
        y += _HEADER - 8
        for row in axes:
            _draw(canvas, row, y)
            y += _ROW
        y += 8
    canvas.text(16, canvas.height - 22, "ring: traced here   red disc: smallest failure   log scale", _QUIET, scale=1)
    return canvas.to_png()


def _anchor(anchors: list[dict[str, int]], axis: str) -> int | None:
    return anchors[0].get(axis) if anchors else None


def _draw(canvas: Canvas, row: _Row, y: int) -> None:
    axis, failing = row.axis, (row.axis.counterexample or {}).get(row.axis.axis)
    low, high = min([axis.min, *axis.tried]), max([axis.max, *axis.tried])
    colour = _COLOURS.get(axis.verdict, _QUIET)
    canvas.text(32, y, _short(axis.axis, _LEFT - 110), _INK)
    canvas.text(_LEFT - text_width(str(low)) - 16, y, str(low), _QUIET)
    canvas.text(_RIGHT + 16, y, str(high), _QUIET)
    canvas.text(_WIDTH - text_width(axis.verdict, 1) - 16, y + 4, axis.verdict, colour, scale=1)
    canvas.box(_LEFT, y + 7, _RIGHT - _LEFT, 1, _LINE)
    for size in sorted(set(axis.tried)):
        canvas.ring(_at(size, low, high), y + 7, 4, colour if axis.verdict == DYNAMIC else _QUIET)
    if failing is not None:
        canvas.ring(_at(failing, low, high), y + 7, 5, _RED)
    if row.anchor is not None:
        canvas.ring(_at(row.anchor, low, high), y + 7, 9, _INK, inner=7)


def _at(size: int, low: int, high: int) -> int:
    return _LEFT + round(position(size, low, high) * (_RIGHT - _LEFT))


def _short(text: str, width: int) -> str:
    """Cut a text from the left, because the end of a path or an id tells more."""
    letters = max(1, width // text_width("x"))
    return text if len(text) <= letters else ".." + text[-letters + 2 :]
