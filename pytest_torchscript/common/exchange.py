"""A line to a process and a line back, within a time."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable


def exchange(
    process: subprocess.Popen[str], line: str, *, seconds: float, kill: Callable[[subprocess.Popen[str]], object]
) -> str:
    """Send a line, where there is one, and return the line that comes back; empty where the process ended.

    Raises subprocess.TimeoutExpired where that takes longer: ``kill`` has ended the process then.
    """
    late = threading.Event()

    def give_up() -> None:
        late.set()
        kill(process)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        if line:
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
        answer = process.stdout.readline()
    except OSError:  # there is nobody to write to
        answer = ""
    finally:
        timer.cancel()
    if late.is_set():
        raise subprocess.TimeoutExpired(process.args, seconds)
    return answer
