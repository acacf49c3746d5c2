"""Pictures of the sizes tried, by matplotlib: a strip for one axis, a map for two, and what a call takes where that was timed.

What became of a size is told by the shape of its mark as well as by its colour. matplotlib comes with the extra `report` and
is imported by the first picture.
"""

from __future__ import annotations

import io
import math
import re
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from itertools import combinations
from typing import Any, NamedTuple

from pytest_torchscript.errors import visible
from pytest_torchscript.report.wording import BAD, INCOMPLETE, number_text, position, sizes_text
from pytest_torchscript.results import AxisResult, ExportResult, RunReport, Tried


class Mark(NamedTuple):
    """How a result is drawn: a marker of matplotlib, a colour that colour-blind people tell from the others, filled or not."""

    marker: str
    colour: str
    filled: bool
    word: str


#: By result, the worse ones last: they are drawn on top.
MARKS = {
    "refused": Mark("v", "#7a7a7a", False, "refused by eager"),
    "agrees": Mark("o", "#009e73", True, "agrees"),
    "undecidable": Mark("D", "#56b4e9", False, "undecidable"),
    "raises": Mark("s", "#e69f00", True, "raises"),
    "differs": Mark("X", "#d55e00", True, "differs"),
}
_WORSE = list(MARKS)
#: Stand for the colours of text and of what it is written on, which are the page's own.
_INK, _PAPER = "#123457", "#fedcb9"
#: What a PNG names as its maker: so a later run knows it as one of ours.
SOFTWARE = "pytest-torchscript"
_WIDTH, _STRIP, _MAP, _SPEED = 7.2, 0.95, 3.4, 1.9


@dataclass(frozen=True)
class Picture:
    """One picture, as data: of one axis or of two, with the trials it shows and what stands out among them."""

    axes: tuple[AxisResult, ...]
    trials: tuple[Tried, ...]
    anchor: Mapping[str, int] = field(default_factory=dict)
    failure: Mapping[str, int] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The axes that it shows."""
        return tuple(axis.axis for axis in self.axes)

    @property
    def description(self) -> str:
        """What it shows, for those who do not see it."""
        counts = {word: sum(tried.result == word for tried in self.trials) for word in reversed(_WORSE)}
        told = ", ".join(f"{count} {MARKS[word].word}" for word, count in counts.items() if count) or "nothing tried"
        parts = [f"sizes tried of {' and '.join(self.names)}: {told}"]
        if self.anchor:
            parts.append(f"traced at {sizes_text(self.anchor)}")
        if self.failure:
            parts.append(f"smallest failure at {sizes_text(self.failure)}")
        return visible("; ".join(parts)).replace("\n", "\\n")

    def range_of(self, axis: AxisResult) -> tuple[int, int]:
        """Return the ends of an axis as they are drawn: those asked for, and whatever was tried beyond."""
        tried = [tried.sizes[axis.axis] for tried in self.trials if axis.axis in tried.sizes]
        return min([axis.min, *tried]), max([axis.max, *tried])


def pictures(export: ExportResult) -> Iterator[Picture]:
    """Yield the pictures of an export: a map of the two axes that matter most, where several moved; a strip for each axis."""
    anchor = export.anchors[0] if export.anchors else {}
    pair = _pair(export)
    if pair is not None:
        first, second = pair
        trials = [tried for axis in export.axes for tried in trials_of(axis)]
        trials += export.joint.tried_at if export.joint else []
        shown = [tried for tried in trials if first.axis in tried.sizes and second.axis in tried.sizes]
        worst = next((axis.counterexample for axis in pair if axis.verdict in BAD and axis.counterexample), None)
        failure = worst or (export.joint.counterexample if export.joint else None)
        if shown:
            yield Picture(pair, tuple(_once(shown)), anchor, failure)
    for axis in export.axes:
        if trials_of(axis):
            failure = axis.counterexample if axis.verdict in BAD else None
            yield Picture((axis,), tuple(_once(trials_of(axis))), anchor, failure)


def trials_of(axis: AxisResult) -> list[Tried]:
    """Return what was tried of an axis; of a record that has sizes alone, what its verdict says of them."""
    if axis.tried_at:
        return axis.tried_at
    failing = (axis.counterexample or {}).get(axis.axis)
    bad = "raises" if axis.error else "differs"
    return [Tried({axis.axis: size}, bad if size == failing else "agrees") for size in axis.tried]


def _once(trials: Iterable[Tried]) -> list[Tried]:
    """Return trials without those that stand in them twice, as the anchor does."""
    found: dict[tuple[tuple[str, int], ...], Tried] = {}
    for tried in trials:
        found.setdefault(tuple(sorted(tried.sizes.items())), tried)
    return list(found.values())


def _pair(export: ExportResult) -> tuple[AxisResult, AxisResult] | None:
    """Return the two axes to draw a map of: those that fail, else those that are no batch, of those that moved."""
    moved = [axis for axis in export.axes if len({tried.sizes.get(axis.axis) for tried in trials_of(axis)}) > 1]

    def weight(axis: AxisResult) -> tuple[bool, bool]:
        return axis.verdict not in BAD, axis.axis == "batch"

    pairs = list(combinations(sorted(moved, key=weight), 2))
    if not pairs:
        return None
    first, second = sorted(pairs[0], key=export.axes.index)
    return first, second


@contextmanager
def _drawing() -> Iterator[None]:
    """Draw text as text, and say nothing of signs that a font lacks."""
    import matplotlib

    with warnings.catch_warnings(), matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "pictures"}):
        warnings.simplefilter("ignore")
        yield


def to_svg(picture: Picture, number: int) -> str:
    """Return a picture to stand within a page: its text and lines take the page's colour; ``number`` keeps its ids apart."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with _drawing():
        figure = Figure(figsize=(_WIDTH, _height(picture)))
        FigureCanvasSVG(figure)
        _draw(figure.add_axes(_box(picture)), picture, _INK, _PAPER)
        return _svg(figure, picture.description, number)


def speed_svg(export: ExportResult, number: int) -> str:
    """Return what a call takes at each size, of eager and of the export; an empty string where it was not timed."""
    if not export.speed:
        return ""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with _drawing():
        figure = Figure(figsize=(_WIDTH, _SPEED))
        FigureCanvasSVG(figure)
        _draw_speed(figure.add_axes((0.14, 0.28, 0.82, 0.6)), export, _INK)
        return _svg(figure, "milliseconds a call, by size, of eager and of the export", number)


def _svg(figure: Any, description: str, number: int) -> str:
    made = io.StringIO()
    figure.savefig(made, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = made.getvalue()
    text = text[text.index("<svg") :].replace(_INK, "currentColor").replace(_PAPER, "var(--paper)")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>p{number}-", text)
    return text.replace("<svg ", f'<svg role="img" aria-label="{escape(description)}" ', 1)


def to_png(report: RunReport, *, limit: int = 60_000) -> bytes:
    """Return all pictures of a run as one PNG, 1000 points wide; narrower where it would be higher than the limit."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    parts: list[tuple[str, Picture | ExportResult | None]] = []
    for model in report.models:
        for export in model.exports:
            drawn = list(pictures(export))
            parts += [(f"{model.model}  {export.backend}", None)] if drawn else []
            parts += [("", picture) for picture in drawn]
            parts += [("", export)] if drawn and export.speed else []
    heights = [_part_height(part) for _, part in parts]
    total = sum(heights) + 0.9
    with _drawing():
        figure = Figure(figsize=(_WIDTH, total), facecolor="white", dpi=min(1000 / _WIDTH, limit / total))
        canvas = FigureCanvasAgg(figure)
        top = total - 0.15
        for (title, part), height in zip(parts, heights):
            if part is None:
                _write(figure, 0.02, (top - 0.3) / total, _short(title), weight="bold", size=10)
            elif isinstance(part, Picture):
                left, bottom, width, tall = _box(part)
                box = (left, (top - height + bottom * height) / total, width, tall * height / total)
                _draw(figure.add_axes(box), part, "black", "white", verdict=True)
            else:
                box = (0.14, (top - height + 0.28 * height) / total, 0.82, 0.6 * height / total)
                _draw_speed(figure.add_axes(box), part, "black")
            top -= height
        if not parts:
            _write(figure, 0.02, 0.6, "no axis was tried", size=10)
        _legend(figure, total)
        if not report.complete:
            _write(figure, 0.02, 0.08 / total, INCOMPLETE, size=8)
        made = io.BytesIO()
        canvas.print_png(made, metadata={"Software": SOFTWARE})
    return made.getvalue()


def _part_height(part: Picture | ExportResult | None) -> float:
    if part is None:
        return 0.4
    return _height(part) if isinstance(part, Picture) else _SPEED


def _height(picture: Picture) -> float:
    return _STRIP if len(picture.axes) == 1 else _MAP


def _box(picture: Picture) -> tuple[float, float, float, float]:
    return (0.16, 0.42, 0.8, 0.42) if len(picture.axes) == 1 else (0.16, 0.17, 0.8, 0.76)


def _draw(plot: Any, picture: Picture, ink: str, paper: str, *, verdict: bool = False) -> None:
    """Draw a strip or a map into axes of matplotlib."""
    first, *rest = picture.axes
    second = rest[0] if rest else None
    for spine in plot.spines.values():
        spine.set_color(ink)
        spine.set_alpha(0.35)
        spine.set_visible(second is not None)
    _ruler(plot.xaxis, picture, first, ink)
    if second is not None:
        _ruler(plot.yaxis, picture, second, ink)
    else:
        plot.set_yticks([])
        plot.axhline(0.5, color=ink, alpha=0.35, linewidth=1, zorder=0)
        name = f"{_short(first.axis, 18)}\n{first.verdict}" if verdict else _short(first.axis, 18)
        plot.text(-0.03, 0.5, visible(name), color=ink, size=8, ha="right", va="center", parse_math=False)
    plot.set_xlim(-0.03, 1.03)
    plot.set_ylim(-0.05, 1.05)
    for result in _WORSE:
        points = [_point(picture, tried.sizes) for tried in picture.trials if tried.result == result]
        if points:
            mark = MARKS[result]
            # A rim in the colour of the paper keeps marks apart that lie on each other.
            face, edge, width = (mark.colour, paper, 0.6) if mark.filled else ("none", mark.colour, 1.2)
            plot.scatter(*zip(*points), marker=mark.marker, s=48, facecolors=face, edgecolors=edge, linewidths=width)
    if picture.anchor and all(name in picture.anchor for name in picture.names):
        plot.scatter(*zip(_point(picture, picture.anchor)), s=130, facecolors="none", edgecolors=ink, linewidths=1.2)
    if picture.failure and all(name in picture.failure for name in picture.names):
        _point_out(plot, picture, ink)


def _point(picture: Picture, sizes: Mapping[str, int]) -> tuple[float, float]:
    places = [position(sizes[axis.axis], *picture.range_of(axis)) for axis in picture.axes if axis.axis in sizes]
    return (places[0], places[1] if len(places) > 1 else 0.5)


def _point_out(plot: Any, picture: Picture, ink: str) -> None:
    """Mark the smallest failure, with how much it is wrong."""
    assert picture.failure is not None
    x, y = _point(picture, picture.failure)
    tried = next((tried for tried in picture.trials if tried.sizes == dict(picture.failure or {})), None)
    how = number_text(tried.max_abs_difference) if tried is not None and tried.result == "differs" else ""
    text = "smallest failure" + (f", off by {how}" if how else "")
    right = x < 0.6
    offset = (9 if right else -9, 11)
    plot.annotate(text, (x, y), offset, textcoords="offset points", color=ink, size=7, ha="left" if right else "right")
    plot.scatter([x], [y], marker="d", s=230, facecolors="none", edgecolors="#d55e00", linewidths=1.2)


def _ruler(ruler: Any, picture: Picture, axis: AxisResult, ink: str) -> None:
    """Label an axis with its ends, the traced size and the smallest that fails, where these leave room for each other."""
    low, high = picture.range_of(axis)
    told = [low, high, picture.anchor.get(axis.axis), (picture.failure or {}).get(axis.axis)]
    tried = sorted({tried.sizes[axis.axis] for tried in picture.trials if axis.axis in tried.sizes})
    places: dict[int, float] = {}
    for size in [size for size in (*told, *tried) if size is not None]:
        place = position(size, low, high)
        if all(abs(place - other) > 0.055 for other in places.values()):
            places[size] = place
    ruler.set_ticks(list(places.values()), labels=[str(size) for size in places])
    ruler.set_tick_params(colors=ink, labelsize=7, length=3)
    if len(picture.axes) > 1:
        label = visible(f"{_short(axis.axis, 30)} ({axis.verdict})")
        ruler.set_label_text(label, color=ink, size=8, parse_math=False)


def _draw_speed(plot: Any, export: ExportResult, ink: str) -> None:
    """Draw milliseconds a call over the sizes that were timed, in their order."""
    timed = sorted(export.speed, key=lambda at: math.prod(at.sizes.values()))
    places = range(len(timed))
    kinds = (("eager", "o", "#0072b2"), ("export", "s", "#d55e00"))
    sides = _sides(timed)
    for (word, marker, colour), seconds in zip(kinds, sides):
        plot.plot(places, [1e3 * value for value in seconds], marker=marker, color=colour, linewidth=1.2, label=word)
    names = [textwrap.fill(visible(sizes_text(at.sizes)), 26) for at in timed]
    plot.set_xticks(list(places), labels=names)
    for text in plot.get_xticklabels():
        text.set_parse_math(False)
    plot.set_ylabel("ms a call", color=ink, size=8)
    plot.set_ylim(0, 1.2e3 * max(map(max, sides)) or 1)
    plot.tick_params(colors=ink, labelsize=7)
    for spine in plot.spines.values():
        spine.set_color(ink)
        spine.set_alpha(0.35)
    plot.legend(loc="best", fontsize=7, frameon=False, labelcolor=ink)


def _sides(timed: Sequence[Any]) -> tuple[list[float], list[float]]:
    return [at.eager_seconds for at in timed], [at.export_seconds for at in timed]


def _legend(figure: Any, total: float) -> None:
    from matplotlib.lines import Line2D

    def handle(marker: str, colour: str, word: str, *, filled: bool, size: float = 6) -> Any:
        face = colour if filled else "none"
        return Line2D(
            [], [], linestyle="", marker=marker, color=colour, markerfacecolor=face, label=word, markersize=size
        )

    handles = [handle(mark.marker, mark.colour, mark.word, filled=mark.filled) for mark in MARKS.values()]
    handles.append(handle("o", "black", "traced here", filled=False, size=10))
    handles.append(handle("d", "#d55e00", "smallest failure", filled=False, size=9))
    figure.legend(
        handles=handles, loc="lower center", ncol=7, fontsize=7, frameon=False, bbox_to_anchor=(0.5, 0.2 / total)
    )


def _write(figure: Any, x: float, y: float, text: str, **style: Any) -> None:
    figure.text(x, y, visible(text), parse_math=False, **style)


def _short(text: str, letters: int = 88) -> str:
    """Cut a text from the left, because the end of a path or an id tells more."""
    text = text.replace("\n", " ")
    return text if len(text) <= letters else "…" + text[-letters + 1 :]
