"""Progress: behind pytest's own line on a terminal, a line a model in CI, silent elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from plugin_runs import Run

from pytest_torchscript.plugin.progress import Progress

IDS = [f"torchscript::zoo:{model}::test_{test}" for model in ("a", "b") for test in ("trace", "axis[time]", "values")]


class Writer:
    fullwidth, width_of_current_line = 100, 20

    def __init__(self) -> None:
        self.written: list[str] = []
        self._file = self

    def write(self, text: str) -> None:
        self.written.append(text)

    def flush(self) -> None:
        pass


class Terminal:
    isatty = True

    def __init__(self) -> None:
        self._tw = Writer()
        self.lines: list[str] = []

    def write_line(self, line: str) -> None:
        self.lines.append(line)


class Config:
    def __init__(self) -> None:
        self.terminal = Terminal()
        self.pluginmanager = self

    def get_plugin(self, name: str) -> Any:
        return self.terminal if name == "terminalreporter" else None


class Report:
    when, outcome, duration = "teardown", "passed", 0.5

    def __init__(self, nodeid: str, passes: int) -> None:
        self.nodeid = nodeid
        self.torchscript = {"pieces": [{"exports": [{"checks": [{"passes": passes}]}]}]}


def through(hook: Iterator[Any]) -> None:
    """Run a wrapper of a hook around nothing."""
    next(hook)
    with pytest.raises(StopIteration):
        hook.send(None)  # type: ignore[attr-defined]


@pytest.fixture
def progress() -> Progress:
    made = Progress(Config())  # type: ignore[arg-type]
    made.mode = "line"
    made.expect(IDS)
    return made


def test_it_says_what_runs_and_what_is_left(progress: Progress) -> None:
    through(progress.pytest_runtest_logstart(IDS[0]))
    assert progress.text() == "model 1 of 2, trace"
    for nodeid in IDS[:4]:
        through(progress.pytest_runtest_logreport(Report(nodeid, 10)))  # type: ignore[arg-type]
    through(progress.pytest_runtest_logstart(IDS[4]))
    progress.heard("compare", "compare x (2, 11, 4) agrees: 0.003 s")
    assert progress.text() == "model 2 of 2, axis[time], compare x (2, 11, 4) agrees, 42 of about 62 passes, 1 s left"


def test_it_stands_behind_the_cursor_and_is_erased(progress: Progress) -> None:
    writer = progress.terminal._tw
    through(progress.pytest_runtest_logstart(IDS[0]))
    assert writer.written == ["\x1b7\x1b[K  model 1 of 2, trace\x1b8"]
    through(progress.pytest_runtest_logreport(Report(IDS[0], 1)))  # type: ignore[arg-type]
    assert writer.written[1] == "\x1b[K"


def test_it_needs_room(progress: Progress) -> None:
    progress.terminal._tw.width_of_current_line = 90
    through(progress.pytest_runtest_logstart(IDS[0]))
    assert progress.terminal._tw.written == []


def test_loggers_are_left_as_they_were(progress: Progress) -> None:
    from pytest_torchscript.plugin.progress import _Listener

    logger = logging.getLogger("pytest_torchscript.compare")
    before = (logger.level, list(logger.filters))
    progress.listening = [_Listener(progress, "compare")]
    logger.debug("compare x (2, 3) agrees: 0.1 s")
    assert progress.doing == "compare x (2, 3) agrees"
    progress.pytest_sessionfinish()
    assert (logger.level, logger.filters) == before


def test_a_line_a_model_in_ci(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    models = ("--torchscript-model", "zoo:good", "--torchscript-model", "zoo:bad", "-k", "axis")
    result = run(*models)
    result.stdout.re_match_lines(
        [r"torchscript: zoo:good: 2 checks, \d+\.\d s", r"torchscript: zoo:bad: 2 checks, 1 failed, \d+\.\d s"]
    )
    assert "torchscript: zoo:good: " not in run(*models, "-q").stdout.str()


def test_it_is_silent_in_a_pipe(run: Run) -> None:
    shown = run("--torchscript-model", "zoo:good", "--torchscript-model", "zoo:bad", "-k", "axis").stdout.str()
    assert "\x1b7" not in shown
    assert "2 checks" not in shown
