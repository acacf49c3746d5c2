"""Node ids of the suite: ``torchscript::REFERENCE::test_NAME[PARAMS]``, and finding them on a command line.

pytest would take such an id for a path, so the ids are taken out of the arguments before it looks for files.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


import pytest

from pytest_torchscript.plugin.names import MODEL_FLAG, PREFIX

#: On the config: the ids of the suite that were given.
SUITE_IDS: pytest.StashKey[tuple[SuiteId, ...]] = pytest.StashKey()

#: pytest shows ids relative to the current folder, so one copied from its output may begin with a way up.
_ID = re.compile(rf"(?:.*[\\/])?{PREFIX}::(?P<rest>.+)", re.DOTALL)


@dataclass(frozen=True)
class SuiteId:
    """One id given by the user; ``test`` is empty where it names a whole suite."""

    reference: str
    test: str = ""

    def __str__(self) -> str:
        return "::".join(part for part in (PREFIX, self.reference, self.test) if part)

    def names(self, test: str) -> bool:
        """Whether the id selects a test by its name; one without brackets selects all of that function, as in pytest."""
        return not self.test or test == self.test or test.startswith(f"{self.test}[")


def parse_suite_id(text: str) -> SuiteId | None:
    """Return the suite id that a text is, or None."""
    match = _ID.fullmatch(text)
    if match is None:
        return None
    reference, separator, test = match["rest"].rpartition("::test_")
    return SuiteId(reference, f"test_{test}") if separator else SuiteId(match["rest"].rstrip(":"))


def keep_files_of_models(args: list[str]) -> None:
    """Write ``--torchscript-model @FILE`` as one argument, in place: argparse would take the lines of the file for more."""
    for index in reversed(range(1, len(args))):
        if args[index - 1] == MODEL_FLAG and os.fspath(args[index]).startswith("@"):
            args[index - 1 : index + 1] = [f"{MODEL_FLAG}={args[index]}"]


def take_suite_ids(parser: pytest.Parser, args: list[str]) -> tuple[SuiteId, ...]:
    """Take the suite's ids out of command line arguments, in place: positional ones only, never the value of an option.

    Raises UsageError for one that names no model.
    """
    _expand_files(args)
    taken: dict[SuiteId, None] = {}
    for index in reversed(range(len(args))):
        text = os.fspath(args[index])
        if text == f"{PREFIX}::" and _is_positional(parser, args, index):
            raise pytest.UsageError(
                f"{text} names no model\n    hint: write {PREFIX}::REFERENCE, or an id of one of its tests"
            )
        suite_id = parse_suite_id(text)
        if suite_id is not None and _is_positional(parser, args, index):
            taken[suite_id] = None
            del args[index]
    return tuple(reversed(taken))


def _expand_files(args: list[str]) -> None:
    """Replace ``@file`` by its lines, as pytest would, where the file names tests of the suite."""
    for index in reversed(range(len(args))):
        text = os.fspath(args[index])
        if text.startswith("@") and os.path.isfile(text[1:]):  # noqa: PTH113
            lines = Path(text[1:]).read_text(encoding="utf-8").splitlines()
            if any(parse_suite_id(line) for line in lines):
                args[index : index + 1] = lines


def _is_positional(parser: pytest.Parser, args: Sequence[str], index: int) -> bool:
    probe = f"{PREFIX}-probe-{index}"
    namespace = parser.parse_known_args([*args[:index], probe, *args[index + 1 :]])
    return probe in [os.fspath(path) for path in namespace.file_or_dir]


def references_of(ids: Iterable[SuiteId]) -> tuple[str, ...]:
    """Return the references that ids name, in order, each once."""
    return tuple(dict.fromkeys(suite_id.reference for suite_id in ids))


def split_nodeid(nodeid: str) -> SuiteId | None:
    """Return the parts of a reported node id where it is one of the suite."""
    return parse_suite_id(nodeid) if nodeid.startswith(f"{PREFIX}::") else None
