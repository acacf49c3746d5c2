"""How much memory another process holds, asked of the operating system."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pytest_torchscript.errors import OptionError


def resident(pid: int) -> int | None:
    """Return the bytes that a process holds in memory; None for one that is gone."""
    if sys.platform == "linux":
        try:
            pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
        except (OSError, IndexError):
            return None
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return int(told) * 1024 if told.strip().isdigit() else None


def require_measure() -> None:
    """Raise OptionError on a system that does not tell what another process holds."""
    if resident(os.getpid()) is None:
        raise OptionError(
            f"--torchscript-memory: {sys.platform} does not tell how much memory a process holds",
            hint="leave it out: --torchscript-timeout works everywhere",
        )
