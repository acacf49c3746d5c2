"""What is going on, while it goes on: on a terminal to the right of pytest's own line, in CI a line for every model.

Silent in a pipe, under ``-q`` and where output is not captured. pytest's line is not touched: what is written stands behind
the cursor, and is erased before pytest writes on. On xdist's controller what the workers report is counted.
"""

from __future__ import annotations

import logging
import os
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pytest

from pytest_torchscript.errors import cut, visible
from pytest_torchscript.plugin.ids import split_nodeid
from pytest_torchscript.plugin.names import PREFIX

#: Seconds between two drawings, and the least room that one needs.
_PAUSE, _ROOM = 0.1, 24
#: What pytest writes at the end of a line: `` [100%]``.
_PYTESTS_OWN = 8
#: So many checks must have ended before anything is said of those to come.
_ENOUGH = 4
#: Phases of the engine (common/phases.py), and how many forward passes each stands for at least.
_PHASES = {"resolve": 0, "build": 0, "trace": 1, "export": 1, "compare": 2}


class Progress:
    """Counts the checks of a run, and tells of them on the terminal."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.mode = ""
        self.expected: dict[str, int] = {}
        self.checks: dict[str, str] = {}
        self.left: dict[str, int] = {}
        self.ended: dict[str, list[int]] = defaultdict(list)
        self.seconds: dict[str, float] = defaultdict(float)
        self.failed: dict[str, int] = defaultdict(int)
        self.reported: dict[str, Any] = {}
        self.current = self.doing = ""
        self.passes = self.running_passes = 0
        self.drawn = 0.0
        self.shown = False
        self.listening: list[_Listener] = []

    @property
    def terminal(self) -> Any:
        """pytest's own reporter; None where another plugin took its place."""
        return self.config.pluginmanager.get_plugin("terminalreporter")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Decide where to write, and listen to the engine where this process runs it."""
        terminal = self.terminal
        if terminal is None or self.config.get_verbosity() < 0 or self.config.option.collectonly:
            return
        if os.environ.get("CI"):
            self.mode = "ci"
        elif getattr(terminal, "isatty", False) and self.config.getoption("capture", "fd") != "no":
            self.mode = "line"
        self.expect(item.nodeid for item in session.items)
        if self.mode == "line" and self.left:
            self.listening = [_Listener(self, name) for name in _PHASES]

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Iterable[str]) -> None:  # noqa: ARG002
        """Learn from a worker what there is to do: each collects the same."""
        if not self.left:
            self.expect(ids)

    def expect(self, nodeids: Iterable[str]) -> None:
        """Count the tests of each model."""
        for nodeid in nodeids:
            suite = split_nodeid(nodeid)
            if suite is not None:
                self.expected[suite.reference] = self.expected.get(suite.reference, 0) + 1
                self.checks[nodeid] = suite.test.partition("[")[0]
        self.left = dict(self.expected)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> Any:
        """Say which check begins, behind what pytest writes."""
        self.erase()
        self.current, self.doing, self.running_passes = nodeid, "", 0
        result = yield
        self.draw(soon=True)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Any:
        """Let pytest write, then count."""
        self.erase()
        result = yield
        if report.nodeid in self.checks:
            self._count(report)
        self.draw()
        return result

    def _count(self, report: pytest.TestReport) -> None:
        suite = split_nodeid(report.nodeid)
        assert suite is not None
        self.seconds[suite.reference] += report.duration or 0.0
        self.failed[suite.reference] += report.outcome == "failed"
        pieces = getattr(report, "torchscript", {}).get("pieces", ())
        self.reported[report.nodeid] = sum(
            check["passes"] for piece in pieces for export in piece["exports"] for check in export["checks"]
        ) or self.reported.get(report.nodeid, 0)
        crashed = report.when not in ("setup", "call", "teardown")
        if report.when == "teardown" or crashed:
            passes = self.reported.pop(report.nodeid)
            self.passes += passes
            self.ended[self.checks[report.nodeid]].append(passes)
            self.left[suite.reference] -= 1
            if not self.left[suite.reference]:
                self._model_ended(suite.reference)

    def _model_ended(self, reference: str) -> None:
        if self.mode == "ci" and len(self.expected) > 1:
            failed = f", {self.failed[reference]} failed" if self.failed[reference] else ""
            said = f"{self.expected[reference]} checks{failed}, {self.seconds[reference]:.1f} s"
            self.terminal.write_line(visible(f"{PREFIX}: {reference}: {said}").replace("\n", "\\n"))

    def heard(self, name: str, said: str) -> None:
        """Take in what the engine says of a phase that ended."""
        self.running_passes += _PHASES[name]
        self.doing = said.rpartition(":")[0] or said
        self.draw()

    def text(self) -> str:
        """Return what is going on: models, check, what was tried last, passes, seconds left."""
        suite = split_nodeid(self.current)
        done = sum(not left for left in self.left.values())
        parts = [f"model {min(done + 1, len(self.expected))} of {len(self.expected)}"] if len(self.expected) > 1 else []
        if suite is not None and self.current in self.checks:
            parts.append(suite.test.removeprefix("test_"))
        if self.doing:
            parts.append(self.doing)
        passes = self.passes + self.running_passes
        ended = sum(map(len, self.ended.values()))
        if ended >= _ENOUGH:
            parts.append(f"{passes} of about {passes + self._to_come():.0f} passes")
            parts.append(f"{self._seconds_left():.0f} s left")
        elif passes:
            parts.append(f"{passes} passes")
        return visible(", ".join(parts)).replace("\n", "\\n")

    def _to_come(self) -> float:
        """Return the passes of the checks to come: as many as others of their name took, or as all did."""
        every = [passes for entries in self.ended.values() for passes in entries]
        total = 0.0
        for name, number in self._numbers().items():
            entries = self.ended.get(name) or every
            total += (number - len(self.ended.get(name, ()))) * sum(entries) / len(entries)
        return total

    def _numbers(self) -> dict[str, int]:
        numbers: dict[str, int] = defaultdict(int)
        for name in self.checks.values():
            numbers[name] += 1
        return numbers

    def _seconds_left(self) -> float:
        spent = sum(self.seconds.values())
        done = sum(self.expected.values()) - sum(self.left.values())
        return spent / max(done, 1) * sum(self.left.values()) / self._workers()

    def _workers(self) -> int:
        session = self.config.pluginmanager.get_plugin("dsession")
        return max(len(getattr(session, "_active_nodes", ())), 1)

    def draw(self, *, soon: bool = False) -> None:
        """Write behind the cursor what is going on, where there is room for it."""
        now = time.monotonic()
        if self.mode != "line" or not self.left or (now - self.drawn < _PAUSE and not soon):
            return
        writer = self.terminal._tw
        room = writer.fullwidth - writer.width_of_current_line - _PYTESTS_OWN
        if room >= _ROOM:
            self.drawn, self.shown = now, True
            self._write(f"\x1b7\x1b[K  {cut(self.text(), room - 2)}\x1b8")

    def erase(self) -> None:
        """Leave the line as pytest wrote it."""
        if self.shown:
            self.shown = False
            self._write("\x1b[K")

    def _write(self, text: str) -> None:
        file = self.terminal._tw._file
        file.write(text)
        file.flush()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Leave the terminal and the loggers as they were."""
        self.erase()
        self.mode = ""
        for listener in self.listening:
            listener.stop()


class _Listener(logging.Filter):
    """Hears every phase that ends, and lets through no record that would not have been made without it."""

    def __init__(self, progress: Progress, name: str) -> None:
        super().__init__()
        self.progress, self.phase = progress, name
        self.logger = logging.getLogger(f"pytest_torchscript.{name}")
        self.before, self.least = self.logger.level, self.logger.getEffectiveLevel()
        self.logger.setLevel(logging.DEBUG)
        self.logger.addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Take a record in; return whether it was asked for by somebody else."""
        self.progress.heard(self.phase, record.getMessage())
        return record.levelno >= self.least

    def stop(self) -> None:
        """Leave the logger as it was."""
        self.logger.removeFilter(self)
        self.logger.setLevel(self.before)
