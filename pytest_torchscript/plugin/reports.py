"""When reports are written: a journal after every finished test, everything at the end, and what cuts a run short.

On xdist's controller, or in the one process there is. Every run imports this, so it stays small.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterable
from typing import Any

import pytest

from pytest_torchscript.plugin.names import PREFIX
from pytest_torchscript.plugin.options import RUN

#: The journal is written after every test while that takes less than so many seconds of computing: a busy machine does not
#: thin it out. Where it grows beyond that it may take this share of the time.
_QUICK, _SHARE = 0.1, 0.05
_ENDED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)


class Reports:
    """Keeps what tests found until the end of the run."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.recorder: Any = None
        self.expected: set[str] = set()
        self.seen: set[str] = set()
        self.seconds: dict[str, float] = {}
        self.due = 0.0
        self.previous: Any = None

    def _recording(self) -> Any:
        if self.recorder is None:
            from pytest_torchscript.plugin.options import run_of
            from pytest_torchscript.plugin.recorder import Recorder

            self.recorder = Recorder(self.config, run_of(self.config))
        return self.recorder

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Iterable[str]) -> None:
        """Learn from a worker what there is to do: each collects the same."""
        self.expected.update(ids)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Begin the journal, and let SIGTERM end the run as Ctrl-C does: with reports."""
        self.expected.update(item.nodeid for item in session.items)
        if RUN not in self.config.stash or self.config.option.collectonly:
            return
        run = self.config.stash[RUN]
        if not run.reports:
            return
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            self.previous = signal.signal(signal.SIGTERM, _interrupt)
        self._recording().write_journal()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what concerns us."""
        self.seen.add(report.nodeid)
        if report.nodeid.startswith(f"{PREFIX}::"):
            self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        if hasattr(report, "torchscript") or report.nodeid.startswith(f"{PREFIX}::"):
            self._recording().add(report)
            if report.when == "call" or report.outcome != "passed":
                self._journal()

    def _journal(self) -> None:
        if time.monotonic() >= self.due:
            start = time.thread_time()
            self._recording().write_journal()
            took = time.thread_time() - start
            self.due = time.monotonic() + (0 if took < _QUICK else took / _SHARE)

    @pytest.hookimpl(tryfirst=True)  # before xdist, which gives its workers ten seconds to end
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Join everything into one record, and write it wherever the user wanted it."""
        if self.recorder is None and RUN not in self.config.stash:
            return
        if self.config.option.collectonly or exitstatus == pytest.ExitCode.USAGE_ERROR:
            return
        if self.previous is not None:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it often follows Ctrl-C, and the reports are being written
        if self.seconds:
            from pytest_torchscript.plugin.costs import remember

            remember(self.config, self.seconds)
        recorder = self._recording()
        recorder.finish(complete=exitstatus in _ENDED and self.expected <= self.seen)
        if self.previous is not None:
            signal.signal(signal.SIGTERM, self.previous)
        if recorder.problems and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Show what was found, also under ``-q``."""
        if self.recorder is not None:
            self.recorder.summarise(terminalreporter)


def _interrupt(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise KeyboardInterrupt("SIGTERM")
