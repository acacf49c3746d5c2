"""Known failures: a TOML file that lists what is wrong today, so that only news fails a build.

[[known]]
model = "funnel-transformer/*"     # a reference, or a pattern with * and ?
axis = "sequence"                  # or check = "save_load"
verdict = "diverges"               # optional: only while it fails in this way
backend = "torchscript"            # optional
reason = "relative positions are built for one length"
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pytest_torchscript.errors import OptionError, did_you_mean
from pytest_torchscript.results import DIVERGES, FIXED

_KEYS = ("model", "check", "axis", "verdict", "backend", "reason")
_VERDICTS = (FIXED, DIVERGES)
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
