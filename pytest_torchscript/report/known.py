"""Known failures: a TOML file that lists what is wrong today, so that only news fails a build.

[[known]]
model = "funnel-transformer/*"     # a reference, or a pattern with * and ?
axis = "sequence"                  # or check = "save_load"
verdict = "diverges"               # optional: only while it fails in this way
backend = "torchscript"            # optional
reason = "relative positions are built for one length"
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from filelock import FileLock

from pytest_torchscript.errors import OptionError, did_you_mean
from pytest_torchscript.results import DIVERGES, FAILED, FIXED, AxisResult, ExportResult, RunReport

_KEYS = ("model", "check", "axis", "verdict", "backend", "reason")
_VERDICTS = (FIXED, DIVERGES)
#: Seconds that another run may take to add to the file: after that this one says that it could not.
_WAIT = 30
_EXAMPLE = '[[known]] with model = "…", axis = "…" or check = "…", and reason = "…"'


@dataclass(frozen=True)
class Item:
    """One test of a run, as a known failure may name it."""

    model: str
    check: str
    axis: str | None = None
    backend: str | None = None


@dataclass(frozen=True)
class KnownFailure:
    """One ``[[known]]`` table of the file; ``number`` counts from 1."""

    number: int
    model: str
    check: str
    axis: str | None
    reason: str
    verdict: str | None = None
    backend: str | None = None

    def lists(self, item: Item) -> bool:
        """Whether this entry is about a test, however that ends."""
        return (
            (self.model == item.model or fnmatchcase(item.model, self.model))
            and self.check == item.check
            and self.axis in (None, item.axis)
            and (self.backend is None or item.backend in (None, self.backend))
        )

    def __str__(self) -> str:
        what = f"axis={self.axis!r}" if self.axis else f"check={self.check!r}"
        return f"[[known]] number {self.number}: model={self.model!r} {what}"


@dataclass(frozen=True)
class KnownFailures:
    """The entries of a file."""

    path: str = ""
    entries: tuple[KnownFailure, ...] = ()

    def listed(self, item: Item) -> KnownFailure | None:
        """Return the entry that lists a test: where that test passes, the entry is out of date."""
        return next((entry for entry in self.entries if entry.lists(item)), None)

    def match(
        self, model: str, check: str, *, axis: str | None = None, verdict: str | None = None, backend: str | None = None
    ) -> str | None:
        """Return the reason of a failure that is known, None for one that is new.

        ``verdict`` None (a check that has none) agrees with entries that name no verdict only.
        """
        item = Item(model, check, axis, backend)
        fitting = (entry for entry in self.entries if entry.lists(item) and entry.verdict in (None, verdict))
        return next((entry.reason for entry in fitting), None)

    def require_checks(self, checks: Collection[str]) -> None:
        """Raise OptionError for an entry about a check that does not exist."""
        for entry in self.entries:
            if entry.check not in checks:
                asked = f"{did_you_mean(entry.check, checks)}checks are: {', '.join(checks)}"
                raise _wrong(self.path, f"[[known]] number {entry.number}: check {entry.check!r} does not exist", asked)

    def unmatched(self, items: Iterable[Item]) -> list[str]:
        """Return a line for every entry that lists none of the tests that ran."""
        ran = list(items)
        return [
            f"{self.path}: {entry} matches no test of this run"
            for entry in self.entries
            if not any(entry.lists(item) for item in ran)
        ]


def read_known_failures(path: str) -> KnownFailures:
    """Read a file of known failures, or raise an OptionError that says what is wrong in which entry."""
    data = _load(path)
    for key in data:
        if key != "known":
            raise _wrong(path, f"the top-level key {key!r} is unknown", f"write {_EXAMPLE}")
    tables = data.get("known", [])
    if not isinstance(tables, list):
        raise _wrong(path, "'known' is one table, not a list of them", "write [[known]] with two brackets")
    return KnownFailures(path, tuple(_entry(path, number, table) for number, table in enumerate(tables, start=1)))


def read_if_there(path: str) -> KnownFailures:
    """Read a file of known failures that will be added to; one that is not there yet is empty. OptionError where it is
    malformed or could not be written."""
    place = Path(path)
    if place.exists() and place.stat().st_size:
        known = read_known_failures(path)
    elif not place.parent.is_dir():
        raise _wrong(path, f"the folder {str(place.parent)!r} does not exist", f"make it first: mkdir {place.parent}")
    else:
        known = KnownFailures(path)
    if not os.access(place if place.exists() else place.parent, os.W_OK):
        raise _wrong(path, "it may not be written", "choose a file that is yours")
    return known


def add_failures(path: str, report: RunReport, references: Collection[str], expected: KnownFailures | None) -> int:
    """Add what failed of some models to a file of known failures, below what it holds; return how many entries are new.

    What the file lists already is not added, nor what failed only because ``expected`` lists it and it passes. Two runs at once
    wait for each other. OSError where the file cannot be written, OptionError where it is malformed by now.
    """
    with _held(path):
        there = read_if_there(path)
        entries = []
        for model in report.models:
            for export in model.exports if model.model in references else ():
                backend = export.backend if len(model.exports) > 1 else None
                for item, verdict in _failed_items(model.model, export):
                    listed = there.match(item.model, item.check, axis=item.axis, verdict=verdict, backend=item.backend)
                    out_of_date = verdict is None and expected is not None and expected.listed(item) is not None
                    if listed is None and not out_of_date:
                        entries.append(_table(item, verdict, backend))
        if entries:
            place = Path(path)
            before = place.read_text(encoding="utf-8") if place.exists() else ""
            gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
            with place.open("a", encoding="utf-8") as file:
                file.write(gap + "\n".join(entries))
    return len(entries)


def _held(path: str) -> AbstractContextManager[object]:
    """Keep other runs from adding to a file meanwhile. The lock lies with the temporary files: no repository wants it."""
    name = hashlib.sha256(os.fsencode(Path(path).resolve())).hexdigest()[:32]
    return FileLock(Path(tempfile.gettempdir()) / f"pytest-torchscript-{name}.lock", timeout=_WAIT)


def _failed_items(model: str, export: ExportResult) -> Iterator[tuple[Item, str | None]]:
    """Yield what failed of an export, each with its verdict, where it has one that says how."""
    for check in export.checks:
        if check.outcome == FAILED:
            name, bracket, axis = check.name.partition("[")
            if name != "axis":
                found = getattr(export, name).verdict if name in ("values", "padding") else None
                yield Item(model, name, None, export.backend), found if found in _VERDICTS else None
                continue
            for result in _axes_of(export, axis.rstrip("]") if bracket else None):
                verdict = result.verdict if result.verdict in _VERDICTS else None
                yield Item(model, name, result.axis, export.backend), verdict


def _axes_of(export: ExportResult, name: str | None) -> list[AxisResult]:
    """Return the axes a failed check is about: one, or those that failed of all."""
    if name is not None:
        return [axis for axis in export.axes if axis.axis == name] or [AxisResult(name, 0, 0)]
    return [axis for axis in export.axes if axis.verdict in _VERDICTS]


def _table(item: Item, verdict: str | None, backend: str | None) -> str:
    """Return an entry as TOML. Signs of a pattern in the name of the model are escaped."""
    model = "".join(f"[{sign}]" if sign in "*?[" else sign for sign in item.model)
    pairs = {
        "model": model,
        **({"axis": item.axis} if item.axis is not None else {"check": item.check}),
        **({"verdict": verdict} if verdict else {}),
        **({"backend": backend} if backend else {}),
        "reason": "TODO",
    }
    return "[[known]]\n" + "".join(f"{key} = {_quoted(value)}\n" for key, value in pairs.items())


def _quoted(text: str) -> str:
    """Return a basic string of TOML: that of JSON, and DEL is escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _load(path: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _wrong(path, "there is no such file", "paths are read from the folder pytest was started in") from None
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(path, f"it cannot be read: {error}", "give a text file in UTF-8") from None
    try:
        data: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _wrong(path, f"it is not TOML: {error}", f"write {_EXAMPLE}") from None
    except RecursionError:
        raise _wrong(path, "it is nested too deeply to be read", f"write {_EXAMPLE}") from None
    return data


def _entry(path: str, number: int, table: Any) -> KnownFailure:
    where = f"[[known]] number {number}"
    if not isinstance(table, Mapping):
        raise _wrong(path, f"{where} is no table", f"write {_EXAMPLE}")
    for key, value in table.items():
        if key not in _KEYS:
            asked = did_you_mean(key, _KEYS)
            raise _wrong(path, f"{where}: the key {key!r} is unknown", f"{asked}the keys are: {', '.join(_KEYS)}")
        if not isinstance(value, str) or not value.strip():
            raise _wrong(path, f"{where}: {key}={value!r} is no text", f'write {key} = "…"')
    for key in ("model", "reason"):
        if key not in table:
            raise _wrong(path, f"{where} has no {key}", f'add {key} = "…"')
    check, axis = _subject(path, where, table)
    verdict = table.get("verdict")
    if verdict not in (None, *_VERDICTS):
        raise _wrong(path, f"{where}: verdict={verdict!r} does not fail a test", f"choose from {', '.join(_VERDICTS)}")
    return KnownFailure(number, table["model"], check, axis, table["reason"], verdict, table.get("backend"))


def _subject(path: str, where: str, table: Mapping[str, str]) -> tuple[str, str | None]:
    """Return the check and the axis an entry is about; ``axis[NAME]`` is read as the report writes it."""
    check, axis = table.get("check"), table.get("axis")
    if check is None and axis is None:
        raise _wrong(path, f"{where} names neither a check nor an axis", 'add axis = "sequence" or check = "save_load"')
    if check is None:
        return "axis", axis
    if check.startswith("axis[") and check.endswith("]"):
        check, axis = "axis", axis or check[5:-1]
    if axis is not None and check != "axis":
        raise _wrong(path, f"{where}: check={check!r} has no axis", "name one of the two")
    return check, axis


def _wrong(path: str, what: str, hint: str) -> OptionError:
    return OptionError(f"known failures {path!r}: {what}", hint=hint)
