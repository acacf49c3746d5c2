"""A process beside this one: asked, watched and ended from outside."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_torchscript.isolation.process import Process, ProcessEnded

pytestmark = pytest.mark.process
posix = pytest.mark.skipif(os.name != "posix", reason="signals and forks are POSIX's")


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    made = Process("echo")
    yield made
    made.close()
    assert not made.alive


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return stat.read_text().split()[2] != "Z" if sys.platform == "linux" else True


def test_it_answers_more_than_once(process: Process) -> None:
    assert process.ask({"do": "this"}) == {"did": "this"}
    assert process.ask({"do": "that"}) == {"did": "that"}
    assert process.doing == "it did that"


def test_what_it_prints_is_read_and_dropped(process: Process) -> None:
    assert process.ask({"do": "flood"}, seconds=30) == {"did": "flood"}
    assert len(process._printed) <= 2**16


def test_what_it_logs_is_logged_here(process: Process, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        process.ask({"do": "log"})
    assert [(record.name, record.getMessage()) for record in caplog.records] == [
        ("pytest_torchscript.echo", "100% said")
    ]


def test_an_exit_is_told_with_what_it_was_doing(process: Process) -> None:
    with pytest.raises(ProcessEnded) as raised:
        process.ask({"do": "exit"})
    assert raised.value.message == "its process ended with exit code 7 while it did exit"
    assert raised.value.evidence == ("it printed last: farewell",)
    assert "os._exit" in raised.value.hint
    with pytest.raises(ProcessEnded, match="exit code 7"):
        process.ask({"do": "this"})


@posix
def test_a_crash_is_told_by_its_signal(process: Process) -> None:
    with pytest.raises(ProcessEnded, match="its process was ended by SIGABRT while it did abort"):
        process.ask({"do": "abort"})


def test_a_loop_is_ended_in_time(process: Process) -> None:
    began = time.monotonic()
    with pytest.raises(ProcessEnded, match=r"it took longer than 0\.3 s \(a limit\) while it did loop") as raised:
        process.ask({"do": "loop"}, seconds=0.3, whose="a limit")
    assert time.monotonic() - began < 5
    assert raised.value.hint.startswith("give it more time")


@posix
def test_memory_is_held_to_its_limit(process: Process) -> None:
    process.memory = 200e6
    with pytest.raises(ProcessEnded, match=r"it held 0\.\d GB, more than 0\.2 GB") as raised:
        process.ask({"do": "hold", "bytes": 300_000_000}, seconds=30)
    assert raised.value.hint.startswith("give it more memory")


@posix
def test_what_it_started_ends_with_it(process: Process) -> None:
    child = process.ask({"do": "fork"})["child"]
    assert is_there(child)
    process.close()
    deadline = time.monotonic() + 5
    while is_there(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_there(child)
