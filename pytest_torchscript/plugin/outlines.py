"""Workers of one run tell each other what they planned, so that each model is planned about once, and not by every worker.

A folder of the run holds a file for each model. A worker begins where no other does, and takes what the others have planned
until it comes there; nobody waits. Only workers on the controller's machine have the folder, and errors are told by who finds
them.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from pytest_torchscript.results import Outline, from_plain, to_plain

#: What a worker is told the folder by.
FOLDER = "torchscript_outlines"
#: On the controller's config.
_FOLDER: pytest.StashKey[str] = pytest.StashKey()


def give_folder(config: pytest.Config, node: Any) -> None:
    """Tell a worker that is about to start the folder of its run."""
    if not node.gateway.spec.popen:  # on another machine
        return
    if _FOLDER not in config.stash:
        folder = config.stash[_FOLDER] = tempfile.mkdtemp(prefix="torchscript-outlines-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    node.workerinput[FOLDER] = config.stash[_FOLDER]


class Outlines:
    """The outlines of a run's models by their numbers; nothing is shared, and nothing found, where there is no folder."""

    def __init__(self, folder: Path | None = None, *, worker: int = 0, workers: int = 1) -> None:
        self.folder = folder
        self.worker = worker
        self.workers = workers

    @classmethod
    def of(cls, config: pytest.Config) -> Outlines:
        """Return those of this process: a worker's, or none."""
        told = getattr(config, "workerinput", {})
        if FOLDER not in told:
            return cls()
        number = told["workerid"].lstrip("gw")
        return cls(Path(told[FOLDER]), worker=int(number) if number.isdigit() else 0, workers=told["workercount"])

    def order(self, models: int) -> list[int]:
        """Return the numbers of models in the order in which this worker plans them: each begins at its share."""
        first = models * (self.worker % self.workers) // self.workers
        return [*range(first, models), *range(first)]

    def find(self, number: int) -> Outline | None:
        """Return what another worker planned; None where none has yet, or where it cannot be read."""
        if self.folder is None:
            return None
        with contextlib.suppress(OSError, ValueError):
            outline: Outline = from_plain(Outline, json.loads(self._file(number).read_text(encoding="utf-8")))
            return outline
        return None

    def keep(self, number: int, outline: Outline) -> None:
        """Tell the others: a file that they see is whole."""
        if self.folder is None:
            return
        with contextlib.suppress(OSError):  # it cannot be written: then nobody is told
            written = self.folder / f"{number}.{self.worker}"
            written.write_text(json.dumps(to_plain(outline)), encoding="utf-8")
            written.replace(self._file(number))

    def _file(self, number: int) -> Path:
        assert self.folder is not None
        return self.folder / f"{number}.json"
