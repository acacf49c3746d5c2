"""Programs in fresh processes: what they may see, how they end, and what they leave."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_torchscript.common.fresh_process import FreshProcess

pytestmark = pytest.mark.process
#: Writes what a later program could see of an earlier one, and its process.
LOOK = """
import os, sys
with open(sys.argv[1], "w") as file:
    print(os.getppid(), "json.tool" in sys.modules, "pytest" in sys.modules, os.environ.get("SEEN"), file=file)
import json.tool
os.environ["SEEN"] = "yes"
"""


@pytest.fixture(scope="module", params=[True, False], ids=["forks", "alone"])
def fresh(request: pytest.FixtureRequest) -> Iterator[FreshProcess]:
    if request.param and sys.platform != "linux":
        pytest.skip("no fork to be trusted here")
    process = FreshProcess(forks=request.param)
    yield process
    process.close()


def test_nothing_of_one_program_is_seen_by_the_next(fresh: FreshProcess, tmp_path: Path) -> None:
    seen = []
    for name in ("first", "second"):
        assert fresh.run(LOOK, str(tmp_path / name), seconds=60) == ""
        seen.append((tmp_path / name).read_text().split())
    assert [words[1:] for words in seen] == [["False", "False", "None"]] * 2
    assert (seen[0][0] == str(os.getpid())) is not fresh.forks


def test_torch_is_there(fresh: FreshProcess) -> None:
    assert (
        fresh.run("import torch; assert torch.ones(300, 300).mm(torch.ones(300, 300)).sum() == 300**3", seconds=60)
        == ""
    )


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("raise ValueError('too short')", "the process ended with code 1: ValueError: too short"),
        ("import os; os._exit(3)", "the process ended with code 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "the process ended with code -11"),
    ],
)
def test_how_a_program_ends_is_told(fresh: FreshProcess, program: str, said: str) -> None:
    assert fresh.run(program, seconds=60) == said


def test_a_program_that_hangs_is_ended(fresh: FreshProcess, tmp_path: Path) -> None:
    program = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
    fresh.run("import torch", seconds=60)  # the import is not what is timed
    assert fresh.run(program, str(tmp_path / "child"), seconds=4) == "no answer within 4 seconds"
    child = int((tmp_path / "child").read_text())
    for _ in range(50):
        if not _runs(child):
            break
        time.sleep(0.1)
    assert not _runs(child)
    assert fresh.run("pass", seconds=60) == ""


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(sys.platform != "linux", reason="no server here")
def test_a_server_that_died_is_started_again(tmp_path: Path) -> None:
    fresh = FreshProcess()
    assert fresh.run(LOOK, str(tmp_path / "first"), seconds=60) == ""
    server = int((tmp_path / "first").read_text().split()[0])
    assert server != os.getpid()
    os.kill(server, signal.SIGKILL)
    assert fresh.run("pass", seconds=60) == ""
    assert fresh.run(LOOK, str(tmp_path / "second"), seconds=60) == ""
    assert int((tmp_path / "second").read_text().split()[0]) not in (server, os.getpid())
    fresh.close()


def test_programs_see_the_environment_of_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = FreshProcess()
    program = "import os, sys; assert os.environ.get('LATER') == sys.argv[1], os.environ.get('LATER')"
    monkeypatch.setenv("LATER", "first")
    assert fresh.run(program, "first", seconds=60) == ""
    monkeypatch.setenv("LATER", "second")
    assert fresh.run(program, "second", seconds=60) == ""
    fresh.close()


@pytest.mark.skipif(sys.platform != "linux", reason="no fork to be trusted here")
def test_it_may_start_before_the_first_program(tmp_path: Path) -> None:
    process = FreshProcess()
    process.start()
    server = process._server
    assert server is not None
    assert process.run("", seconds=60) == ""
    process.start()
    assert process._server is server
    process.close()


def test_where_nothing_forks_nothing_starts() -> None:
    process = FreshProcess(forks=False)
    process.start()
    assert process._server is None


@pytest.mark.skipif(sys.platform != "linux", reason="no fork to be trusted here")
def test_a_server_that_cannot_start_is_told_of_by_the_first_program(monkeypatch: pytest.MonkeyPatch) -> None:
    process = FreshProcess()
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    process.start()
    with pytest.raises(OSError, match="nowhere"):
        process.run("", seconds=60)
