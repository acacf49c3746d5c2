"""What GitHub Actions shows beside the log: annotations on lines of the repository, and the summary of the job."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pytest_torchscript.report.markdown import LIMIT, to_markdown
from pytest_torchscript.results import ERROR, FAILED, Cause, CheckResult, ExportResult, RunReport


def error_annotations(report: RunReport, root: Path) -> Iterator[str]:
    """Yield a workflow command for everything that failed: at its line, where that stands in the repository.

    One cause is annotated once a line and message, however many backends show it.
    """
    seen = set()
    for model in report.models:
        for export in model.exports:
            for check in export.checks:
                if check.outcome not in (FAILED, ERROR):
                    continue
                place = _place(_causes(export, check), root)
                title = f"{model.model}: {check.name}"
                line = f"::error {_properties({**place, 'title': title})}::{_data(check.message)}"
                if line not in seen:
                    seen.add(line)
                    yield line


def _causes(export: ExportResult, check: CheckResult) -> list[Cause]:
    """Return the lines that explain a check, the likeliest first."""
    name, bracket, axis = check.name.partition("[")
    if name == "axis":
        return [
            cause for found in export.axes if not bracket or found.axis == axis.rstrip("]") for cause in found.causes
        ]
    part = {"values": export.values, "history": export.history, "device": export.portability}.get(name)
    return list(part.causes) if part is not None else []


def _place(causes: list[Cause], root: Path) -> dict[str, str]:
    """Return where the first cause within the repository stands, as an annotation says it; nothing where none does."""
    for cause in causes:
        path = Path(os.path.abspath(cause.file)) if cause.file else root  # noqa: PTH100 - links stay as they are
        if cause.line and root in path.parents and not {"site-packages", "dist-packages"}.intersection(path.parts):
            place = {"file": path.relative_to(root).as_posix(), "line": str(cause.line)}
            if not cause.column:
                return place
            indent = _indent(path, cause)
            return {**place, "col": str(indent + cause.column), "endColumn": str(indent + cause.end_column)}
    return {}


def _indent(path: Path, cause: Cause) -> int:
    """Return by how much the line of a cause is indented: columns count from the start of what is quoted."""
    try:
        line = path.read_text(encoding="utf-8").splitlines()[cause.line - 1]
    except (OSError, ValueError, IndexError):
        return 0
    return len(line) - len(line.lstrip())


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _properties(values: Mapping[str, str]) -> str:
    return ",".join(f"{key}={_data(value).replace(':', '%3A').replace(',', '%2C')}" for key, value in values.items())


def add_to_summary(report: RunReport, path: Path) -> None:
    """Append the report to the summary of the job; what no longer fits is left out and said to be. OSError where it cannot."""
    room = LIMIT - (path.stat().st_size if path.exists() else 0)
    with path.open("ab") as file:
        file.write(to_markdown(report, limit=max(room, 0)))
