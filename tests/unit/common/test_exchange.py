"""A line to a process and a line back: what comes, what does not, and in time."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pytest_torchscript.common.exchange import exchange

pytestmark = pytest.mark.process
#: Says that it is there, gives each line back in capitals, sleeps where it is told to, and ends where it is told to.
SERVER = """
import sys, time
print("ready", flush=True)
for line in sys.stdin:
    if line == "sleep\\n":
        time.sleep(60)
    if line == "end\\n":
        break
    print(line.strip().upper(), flush=True)
"""


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", SERVER]
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert exchange(started, "", seconds=60, kill=subprocess.Popen.kill) == "ready\n"
    yield started
    started.kill()
    with contextlib.suppress(BrokenPipeError):  # what was written to a process that had ended
        started.communicate()


def test_a_line_comes_back(process: subprocess.Popen[str]) -> None:
    assert exchange(process, "first", seconds=60, kill=subprocess.Popen.kill) == "FIRST\n"
    assert exchange(process, "second", seconds=60, kill=subprocess.Popen.kill) == "SECOND\n"
    assert process.poll() is None


def test_nothing_comes_from_a_process_that_ends(process: subprocess.Popen[str]) -> None:
    assert exchange(process, "end", seconds=60, kill=subprocess.Popen.kill) == ""
    process.wait()
    assert exchange(process, "more", seconds=60, kill=subprocess.Popen.kill) == ""


def test_one_that_takes_too_long_is_killed(process: subprocess.Popen[str]) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        exchange(process, "sleep", seconds=0.2, kill=subprocess.Popen.kill)
    assert process.wait() < 0
