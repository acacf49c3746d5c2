"""One process beside this one: requests go in, answers come out, and it is ended from here when it takes too long or too much.

Its answers have a pipe of their own. What it prints goes to another, which is emptied all the time and of which the end is
kept: a model that floods its output blocks nothing and fills nothing.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from pytest_torchscript.common.frames import is_model_file
from pytest_torchscript.errors import Error, cut
from pytest_torchscript.isolation import wire
from pytest_torchscript.isolation.memory import resident

#: The program of the other process: the path of this one, so that it imports what this one would. Python's collector stays away
#: from what is imported, which is never garbage: see common/libraries.py.
_PROGRAM = """
import gc, json, sys
sys.path[:] = json.loads(sys.argv.pop())
gc.disable()
from {module} import main
gc.freeze()
gc.enable()
main()
"""
#: How often its memory is looked at, in seconds.
_LOOK = 0.02
#: So much of what it printed last is kept, in bytes.
_KEPT = 2**16
_FRAME = re.compile(r'File "(?P<file>.+)", line (?P<line>\d+) in (?P<function>.+)')


class ProcessEnded(Error):  # noqa: N818 - an event, not a fault
    """The process ended, or was ended, before it answered. ``why`` says so; ``doing`` what it was at, with the sizes."""

    def __init__(self, why: str, doing: str, *, hint: str, evidence: list[str]) -> None:
        super().__init__(f"{why}{f' while {doing}' if doing else ''}", hint=hint, evidence=evidence)
        self.why = why
        self.doing = doing


class Process:
    """Runs the function ``main`` of a module in a new interpreter, from now until `close`. ``memory`` is in bytes."""

    def __init__(self, module: str, *, memory: float | None = None) -> None:
        self.memory = memory
        self.doing = ""
        command = [sys.executable, "-c", _PROGRAM.format(module=module), json.dumps(sys.path)]
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self._popen = subprocess.Popen(command, **pipes, start_new_session=os.name == "posix")
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        assert self._popen.stderr is not None
        self._requests: BinaryIO = self._popen.stdin  # type: ignore[assignment]
        self._printed = bytearray()
        self._ready = False
        self._messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=_listen, args=(self._popen.stdout, self._messages), daemon=True),
            threading.Thread(target=_drain, args=(self._popen.stderr, self._printed), daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        self._finish = weakref.finalize(self, _end, self._popen)  # at the latest when the interpreter ends

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._finish.alive and self._popen.poll() is None

    def ask(
        self, request: Mapping[str, Any], *, seconds: float | None = None, whose: str = "", doing: str = ""
    ) -> dict[str, Any]:
        """Return the answer to a request. Raises ProcessEnded where there is none, or none within so many seconds: ``whose``
        limit that is, is told. The process's own start does not count."""
        self.doing = "it started"
        while not self._ready:
            self._ready = "ready" in self._first()
        self.doing = doing
        self._printed.clear()
        deadline = None if seconds is None else time.monotonic() + seconds
        with contextlib.suppress(OSError, ValueError):  # it ended: that is told below
            wire.send(self._requests, request)
        for message in self._heard(deadline, f"{seconds:g} s ({whose})" if seconds is not None else ""):
            if "doing" in message:
                self.doing = message["doing"]
            elif "log" in message:
                name, level, text = message["log"]
                logging.getLogger(name).log(level, "%s", text)
            else:
                return message
        raise self._ended_by_itself()

    def _first(self) -> dict[str, Any]:
        for message in self._heard(None, ""):
            return message
        raise self._ended_by_itself()

    def close(self) -> None:
        """End it and all that it started."""
        self._finish()

    def _heard(self, deadline: float | None, limit: str) -> Iterator[dict[str, Any]]:
        looked = 0.0
        while True:
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                raise self._ended_by_us(
                    f"it took longer than {limit}",
                    "give it more time, or narrow the axis with --torchscript-axis NAME=MIN:MAX",
                )
            if self.memory is not None and now - looked >= _LOOK:
                looked = now
                held = resident(self._popen.pid)
                if held is not None and held > self.memory:
                    raise self._ended_by_us(
                        f"it held {held / 1e9:.1f} GB, more than {self.memory / 1e9:g} GB (--torchscript-memory)",
                        "give it more memory, or narrow the axis with --torchscript-axis NAME=MIN:MAX",
                    )
            waits = [] if deadline is None else [deadline - now]
            waits += [] if self.memory is None else [_LOOK]
            try:
                message = self._messages.get(timeout=max(min(waits), 0.001) if waits else None)
            except queue.Empty:
                continue
            if message is None:
                self._messages.put(None)  # for whoever asks again
                return
            yield message

    def _ended_by_us(self, why: str, hint: str) -> ProcessEnded:
        self.close()
        return ProcessEnded(why, self.doing, hint=hint, evidence=[])

    def _ended_by_itself(self) -> ProcessEnded:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout=5)
        code = self._popen.returncode
        self.close()
        self._threads[1].join(timeout=1)
        printed = self._printed.decode(errors="replace").splitlines()
        if code is None:
            why, hint = "it closed the pipe of its answers", "let the model leave open files alone"
        elif code >= 0:
            why, hint = f"its process ended with exit code {code}", "look for sys.exit and os._exit in the model"
        else:
            name = _signal_name(-code)
            why, hint = f"its process was ended by {name}", "the crash is in what the line above calls"
            if name == "SIGKILL":
                hint = "most often the machine had no memory left: --torchscript-memory tells at which size"
        places = _places(printed)
        if not places and code is not None and code < 0 and hint.endswith("calls"):
            hint = "look at what is not Python in the model"
        return ProcessEnded(why, self.doing, hint=hint, evidence=places or _last_words(printed))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _places(printed: list[str]) -> list[str]:
    """Return the innermost line of the model's code in what faulthandler printed."""
    for line in printed:
        match = _FRAME.search(line)
        if match is not None and is_model_file(match["file"]):
            return [f"at {match['file']}:{match['line']} in {match['function']}"]
    return []


def _last_words(printed: list[str]) -> list[str]:
    crash = next((number for number, line in enumerate(printed) if line.startswith("Fatal Python error")), len(printed))
    said = [line.strip() for line in printed[:crash] if line.strip()]  # after that faulthandler speaks
    return [f"it printed last: {cut(said[-1], 200)}"] if said else []


def _listen(stream: BinaryIO, messages: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    with stream:
        message = wire.hear(stream)
        while message is not None:
            messages.put(message)
            message = wire.hear(stream)
        messages.put(None)


def _drain(stream: BinaryIO, printed: bytearray) -> None:
    with stream:
        while True:
            chunk = os.read(stream.fileno(), _KEPT)
            if not chunk:
                return
            printed += chunk
            del printed[:-_KEPT]


def _end(popen: subprocess.Popen[bytes]) -> None:
    """End a process and those that it started, in a session of their own where the system has such."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(popen.pid, signal.SIGKILL)
    elif popen.poll() is None:
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(popen.pid)], capture_output=True, check=False)
    with contextlib.suppress(OSError):
        popen.kill()
    popen.wait()
    assert popen.stdin is not None
    with contextlib.suppress(OSError):
        popen.stdin.close()  # the other two are closed by the threads that read them
