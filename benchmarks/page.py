"""Lay rows out as docs/architectures.md."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.rows import CHECKED, FED, OUTSIDE, REFUSED, TRACED
from benchmarks.sweep import Row

_CHECKED_HEAD = (
    "| architecture | fed | traced | axes | values | line | saves | seconds |\n|---|---|---|---|---|---|---|---|"
)
_ALL_HEAD = (
    "| type | class | fed | traced | axes and values | line | seconds | why not, or what torch says |\n"
    "|---|---|---|---|---|---|---|---|"
)


def checked_table(rows: Mapping[str, Row]) -> str:
    """Return the table of models that went through the checks."""
    return "\n".join([_CHECKED_HEAD, *(_checked(name, row) for name, row in rows.items())])


def all_table(feed: Mapping[str, Row], full: Mapping[str, Row]) -> str:
    """Return the table of all base models: fed and traced, with the verdicts of those that also went through the checks."""
    names = sorted({*feed, *full})
    return "\n".join([_ALL_HEAD, *(_any(name, feed.get(name), full.get(name)) for name in names)])


def bare_table(rows: Mapping[str, Row]) -> str:
    """Return the table of models that were handed over with no inputs: what was found, or why nothing was."""
    head = "| reference | fed | traced | inputs | seconds | why not, or what torch says |\n|---|---|---|---|---|---|"
    return "\n".join([head, *(_bare(name, row) for name, row in rows.items())])


def _bare(name: str, row: Row) -> str:
    traced = {TRACED: "yes", REFUSED: "no"}.get(row["kind"], "")
    dims = "; ".join(f"{name} ({', '.join(map(str, found))})" for name, found in row.get("dims", {}).items())
    fed = "yes" if row["kind"] in FED else "no"
    return f"| `{name}` | {fed} | {traced} | {_cell(dims)} | {row['seconds']:.0f} | {_cell(row.get('why', ''))} |"


def totals(rows: Iterable[Row]) -> str:
    """Return in one paragraph how many are fed and traced, and how many are not, by kind."""
    kinds = Counter(row["kind"] for row in rows)
    outside = sum(kinds[kind] for kind in OUTSIDE)
    counted = sum(kinds.values()) - outside
    fed = sum(kinds[kind] for kind in FED)
    bad = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common() if kind not in (*FED, *OUTSIDE))
    gone = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common() if kind in OUTSIDE)
    return (
        f"Of {counted} base models that can be built here, {fed} ({100 * fed / max(counted, 1):.1f} %) are fed: "
        f"{kinds[TRACED] + kinds[CHECKED]} are traced, {kinds[REFUSED]} are refused by torch.jit.trace in its own words. "
        f"Not fed: {bad or 'none'}. Not counted, because transformers cannot build them here from their default "
        f"configuration: {gone or 'none'}."
    )


def _checked(name: str, row: Row) -> str:
    seconds = f"{row['seconds']:.0f}"
    if row["kind"] != CHECKED:
        return f"| {name} | no | | {_cell(row['why'])} | | | | {seconds} |"
    export, checks = _export(row)
    traced = "yes" if checks["trace"]["outcome"] == "passed" else "no"
    saved = {"passed": "yes", "failed": "no"}.get(checks["save_load"]["outcome"], "")
    cells = (name, "yes", traced, _axes(export), export["values"]["verdict"], _lines(export), saved, seconds)
    return f"| {' | '.join(cells)} |"


def _any(name: str, feed: Row | None, full: Row | None) -> str:
    row: Row = feed or full or {}
    best = full if full is not None and full["kind"] == CHECKED else row
    fed = "yes" if best["kind"] in FED else "not built" if best["kind"] in OUTSIDE else "no"
    traced, verdicts, lines = {TRACED: "yes", REFUSED: "no"}.get(row["kind"], ""), "", ""
    why = row.get("why", "")
    if best["kind"] == CHECKED:
        export, checks = _export(best)
        verdicts, lines = (
            ", ".join(filter(None, [_axes(export), f"values: {export['values']['verdict']}"])),
            _lines(export),
        )
        traced = traced or ("yes" if checks["trace"]["outcome"] == "passed" else "no")
    shown = _cell(why)
    return f"| {name} | {best.get('class', '')} | {fed} | {traced} | {verdicts} | {lines} | {best['seconds']:.0f} | {shown} |"


def _export(row: Row) -> tuple[dict[str, Any], dict[str, Any]]:
    export = row["record"]["exports"][0]
    return export, {check["name"]: check for check in export["checks"]}


def _axes(export: dict[str, Any]) -> str:
    return ", ".join(f"{axis['axis']}: {_verdict(axis)}" for axis in export["axes"])


def _verdict(axis: dict[str, Any]) -> str:
    if not axis["counterexample"]:
        return str(axis["verdict"])
    return f"**{axis['verdict']}** at " + " ".join(f"{name}={size}" for name, size in axis["counterexample"].items())


def _lines(export: dict[str, Any]) -> str:
    found = [*(cause for axis in export["axes"] for cause in axis["causes"][:1]), *export["values"]["causes"][:1]]
    return "; ".join(dict.fromkeys(_place(cause) for cause in found))


def _place(cause: dict[str, Any]) -> str:
    return f"{Path(cause['file']).name}:{cause['line']}" if cause["line"] else "line not known"


def _cell(text: str) -> str:
    """Return text that fits a cell: no path of a machine, no bars."""
    text = re.sub(r"/\S*/(?=[^/\s]+\.(?:py|cpp|h))", "…/", text)
    return text.replace("|", "\\|")[:220]
