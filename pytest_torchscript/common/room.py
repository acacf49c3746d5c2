"""How much memory there is left for this process, and how much it held at most: asked of the operating system, so that what
would not fit is told before it is tried. Other systems than Linux do not say; there nothing is held back."""

from __future__ import annotations

import contextlib
import ctypes
from pathlib import Path

_PROC, _GROUPS = Path("/proc"), Path("/sys/fs/cgroup")
#: Files of a control group: what it may hold, what it holds, and which part of that the system takes back when asked.
_LIMITS = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def free_memory(limit: float | None = None, *, proc: Path = _PROC, groups: Path = _GROUPS) -> int | None:
    """Return the bytes that this process can still take: the machine's, its control group's, or up to a ``limit`` of its own
    in bytes, whichever are the fewest. None where nobody knows."""
    known = [_told(proc / "meminfo", "MemAvailable"), _left_in_group(proc, groups)]
    held = _told(proc / "self" / "status", "VmRSS")
    known += [int(limit) - held] if limit is not None and held is not None else []
    return max(0, min(left for left in known if left is not None)) if any(left is not None for left in known) else None


def peak_memory(*, proc: Path = _PROC) -> int | None:
    """Return the most bytes that this process held in memory since `forget_peak`; None where nobody knows."""
    return _told(proc / "self" / "status", "VmHWM")


def forget_peak(*, proc: Path = _PROC) -> bool:
    """Begin to look for the peak anew; False where the system does not let."""
    with contextlib.suppress(OSError):
        (proc / "self" / "clear_refs").write_text("5", encoding="ascii")
        return True
    return False


def give_back() -> bool:
    """Let the C library return freed memory to the system; False where it has no such call, as others than glibc."""
    with contextlib.suppress(OSError, AttributeError):
        return bool(ctypes.CDLL(None).malloc_trim(0))
    return False


def _told(file: Path, name: str) -> int | None:
    """Return a figure that the system gives in kB, in bytes."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in file.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return None


def _left_in_group(proc: Path, groups: Path) -> int | None:
    """Return what is left in the control groups around this process, of either version; None where none has a limit."""
    left = []
    with contextlib.suppress(OSError):
        for line in (proc / "self" / "cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "memory" not in controllers.split(","):
                continue
            root = groups / "memory" if controllers else groups
            here = root / path.lstrip("/")
            while here != root.parent:
                left += _left_in(here)
                here = here.parent
    return min(left, default=None)


def _left_in(group: Path) -> list[int]:
    for most, held, reclaimed in _LIMITS:
        with contextlib.suppress(OSError, ValueError):
            limit, used = int((group / most).read_text()), int((group / held).read_text())
            lines = (group / "memory.stat").read_text().splitlines()
            cache = next((int(line.split()[1]) for line in lines if line.split()[:1] == [reclaimed]), 0)
            return [limit - used + cache] if limit < 1 << 60 else []
    return []
