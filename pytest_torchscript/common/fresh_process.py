"""Programs that are run in a process which has imported torch and nothing else, as a server that loads a file would.

Importing torch costs more than most of these programs. A server process imports it once and forks for each program: what a
program imports or changes is gone with its own process. Where there is no fork to be trusted (only Linux's is, with torch
loaded), each program has an interpreter of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_torchscript.common.exchange import exchange

#: Reads a line of JSON for each program, forks, and answers with the exit code of the child, negative for a signal. What torch
#: is made of is kept from Python's collector: to walk it takes time, and every child would have to copy it.
_SERVER = """
import gc, json, os, sys, traceback
gc.disable()
import torch
gc.freeze()
gc.enable()

for line in sys.stdin:
    request = json.loads(line)
    child = os.fork()
    if child == 0:
        code = 0
        said = os.open(request["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(said, 1)
        os.dup2(said, 2)
        try:
            sys.argv = ["-c", *request["arguments"]]
            os.chdir(request["folder"])
            exec(compile(request["program"], "<string>", "exec"), {"__name__": "__main__"})
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class FreshProcess:
    """Runs programs in fresh processes, one at a time. The server starts with the first, where it was not asked for before, and
    again where it has died."""

    def __init__(self, *, forks: bool = sys.platform == "linux") -> None:
        self.forks = forks
        self._server: subprocess.Popen[str] | None = None
        self._environment: Mapping[str, str] = {}

    def start(self) -> None:
        """Let the server import torch now, beside whatever is done until the first program comes: that tells if it cannot."""
        if self.forks:
            with contextlib.suppress(OSError):
                self._running()

    def run(self, program: str, *arguments: str, seconds: float) -> str:
        """Run Python source with arguments; return what went wrong, in a line, or nothing."""
        with tempfile.TemporaryDirectory(prefix="torchscript-fresh-") as folder:
            said = Path(folder) / "said.txt"
            try:
                code = (
                    self._forked(program, arguments, said, seconds)
                    if self.forks
                    else _alone(program, arguments, said, seconds)
                )
            except subprocess.TimeoutExpired:
                return f"no answer within {seconds:g} seconds"
            if code == 0:
                return ""
            lines = said.read_text(encoding="utf-8", errors="replace").splitlines() if said.exists() else []
        last = next((line for line in reversed(lines) if line.strip()), "")
        ended = f"the process ended with code {code}"
        return f"{ended}: {last}" if last else ended

    def close(self) -> None:
        """End the server, and whatever it still runs."""
        if self._server is not None:
            _end(self._server)
            self._server = None

    def _forked(self, program: str, arguments: Sequence[str], said: Path, seconds: float) -> int:
        server = self._running()
        request = {"program": program, "arguments": arguments, "said": os.fspath(said), "folder": os.getcwd()}  # noqa: PTH109
        try:
            answer = exchange(server, json.dumps(request), seconds=seconds, kill=_kill)
        except subprocess.TimeoutExpired:
            self.close()
            raise
        if answer.strip():
            return int(answer)
        self.close()
        return _alone(program, arguments, said, seconds)  # what keeps the server from answering is told there

    def _running(self) -> subprocess.Popen[str]:
        """Return the server, started anew where it died or the environment is another: programs inherit it."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        if self._server is not None and (self._server.poll() is not None or environment != self._environment):
            self.close()
        if self._server is None:
            self._environment = environment
            self._server = subprocess.Popen(
                [sys.executable, "-c", _SERVER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,  # so that a program that hangs can be ended with its server
            )
            weakref.finalize(self, _end, self._server)
        return self._server


def _alone(program: str, arguments: Sequence[str], said: Path, seconds: float) -> int:
    with said.open("w", encoding="utf-8") as file:
        command = [sys.executable, "-c", program, *arguments]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, timeout=seconds, check=False)
    return done.returncode


def _kill(server: subprocess.Popen[str]) -> None:
    """Kill a server and its child: they are a session of their own."""
    if server.poll() is None:
        with contextlib.suppress(OSError):  # it ended just now
            os.killpg(server.pid, signal.SIGKILL)


def _end(server: subprocess.Popen[str]) -> None:
    """Kill a server with its child, and let go of it."""
    _kill(server)
    for pipe in (server.stdin, server.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # what was not yet written to a process that is gone
                pipe.close()
    server.wait()
