"""One model whose checks run in a process of its own: what is asked of that process, and what its end means for the checks."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_torchscript.errors import Error, with_hint
from pytest_torchscript.isolation.process import Process, ProcessEnded
from pytest_torchscript.isolation.wire import Brought, read_error
from pytest_torchscript.results import (
    ERROR,
    SKIPPED,
    AxisResult,
    CheckResult,
    ExportResult,
    ModelResult,
    Outline,
    from_plain,
)
from pytest_torchscript.settings import Settings

#: The module whose ``main`` answers.
PROGRAM = "pytest_torchscript.checks.apart"


def start(settings: Settings) -> Process:
    """Start a process that can hold a model, within the memory of some settings."""
    return Process(PROGRAM, memory=None if settings.memory is None else settings.memory * 1e9)


@dataclass(frozen=True)
class TimeLimit:
    """So many seconds for an answer, and whose limit that is."""

    seconds: float
    whose: str = "--torchscript-timeout"


@dataclass
class IsolatedModel:
    """A model by its reference. ``hooks`` are functions that may tell its inputs, with the arguments each takes.

    What could not be planned or built is remembered, and so is the check that ended the process: nothing is asked after that.
    """

    label: str
    reference: Any
    settings: Settings
    hooks: tuple[tuple[Brought, tuple[str, ...]], ...] = ()
    offline: bool = False
    process: Process | None = None
    lost: str = ""
    _outline: Outline | Error | None = None
    _loaded: dict[str, Error | None] = field(default_factory=dict)

    def outline(self, process: Process) -> Outline:
        """Plan the model in a process that may plan others as well. Raises the engine's errors, and no others."""
        if self._outline is None:
            try:
                answer = self._ask(process, "plan", self._limit(None), doing="it was planned")
                self._outline = from_plain(Outline, answer["outline"])
            except Error as error:
                self._outline = error
        if isinstance(self._outline, Error):
            raise self._outline.with_traceback(None)
        return self._outline

    def load(self, backend: str, limit: TimeLimit | None = None) -> None:
        """Build the model for a backend, in its own process. Raises the engine's errors, and no others."""
        if self.lost:
            return  # each check says so
        if backend not in self._loaded:
            try:
                self._ask(self._own(), "load", self._limit(limit), doing="it was built", backend=backend)
            except ProcessEnded as error:
                self._loaded.update(dict.fromkeys(self.settings.backends, error))
            except Error as error:
                self._loaded[backend] = error
            else:
                self._loaded[backend] = None
        failed = self._loaded[backend]
        if failed is not None:
            raise failed.with_traceback(None)

    def check(
        self,
        backend: str,
        check: str,
        axis: str | None,
        *,
        selected: frozenset[str] | None = None,
        limit: TimeLimit | None = None,
    ) -> ModelResult:
        """Carry out one check of a model that was loaded; return its piece of the report.

        A process that ends makes it an error; the checks that follow are skipped for that reason.
        """
        name = f"{check}[{axis}]" if axis is not None else check
        if self.lost:
            return self._bare(backend, name, axis, SKIPPED, self.lost, self.lost)
        began = time.perf_counter()
        asked: dict[str, Any] = {"backend": backend, "check": check, "axis": axis, "selected": selected}
        try:
            answer = self._ask(self._own(), "check", self._limit(limit), **asked)
        except ProcessEnded as ended:
            while_doing = f", while {ended.doing}" if ended.doing else ""
            told = f"{ended.why} in test_{name}{while_doing}"
            self.lost = f"not asked: {told}"
            message = with_hint(f"torchscript::{self.label}: {told}", ended.hint, ended.evidence)
            return self._bare(backend, name, axis, ERROR, told, message, round(time.perf_counter() - began, 3))
        piece: ModelResult = from_plain(ModelResult, answer["piece"])
        return piece

    def close(self) -> None:
        """End its process. Asked again, it is built again in another."""
        if self.process is not None:
            self.process.close()
            self.process = None
            self._loaded = {backend: error for backend, error in self._loaded.items() if error is not None}

    def _own(self) -> Process:
        if self.process is None or not self.process.alive:
            self.process = start(self.settings)
        return self.process

    def _limit(self, other: TimeLimit | None) -> TimeLimit | None:
        own = TimeLimit(self.settings.timeout) if self.settings.timeout is not None else None
        limits = [limit for limit in (own, other) if limit is not None]
        return min(limits, key=lambda limit: limit.seconds) if limits else None

    def _ask(
        self, process: Process, what: str, limit: TimeLimit | None, *, doing: str = "", **more: Any
    ) -> Mapping[str, Any]:
        settings = self.settings
        request = {
            "do": what,
            "label": self.label,
            "reference": self.reference,
            "settings": replace(settings, own_backends=()),
            "backends": tuple(Brought.of(backend) for backend in settings.own_backends),
            "hooks": self.hooks,
            "offline": self.offline,
            "level": logging.getLogger("pytest_torchscript").getEffectiveLevel(),
            **more,
        }
        seconds, whose = (limit.seconds, limit.whose) if limit is not None else (None, "")
        answer = process.ask(request, seconds=seconds, whose=whose, doing=doing)
        if "error" in answer:
            raise read_error(answer["error"])
        return answer

    def _bare(
        self, backend: str, name: str, axis: str | None, outcome: str, why: str, message: str, seconds: float = 0.0
    ) -> ModelResult:
        """Return the record of a check that nothing answered."""
        outline = self._outline if isinstance(self._outline, Outline) else Outline()
        export = ExportResult(backend, checks=[CheckResult(name, outcome, seconds, message)])
        if axis is not None and axis in outline.ranges:
            low, high = outline.ranges[axis]
            export.axes = [AxisResult(axis, low, high, reason=why)]
        return ModelResult(self.label, outline.class_name, outline.task, outline.weights, exports=[export])
