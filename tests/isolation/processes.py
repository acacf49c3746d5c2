"""What runs in processes of their own need, and what they leave behind."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest_torchscript


def environment() -> dict[str, str]:
    """Return the environment of a process that imports the package these tests import."""
    paths = [os.fspath(Path(pytest_torchscript.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def plugin() -> tuple[str, ...]:
    """Return the words that load the plugin where it is not installed."""
    points: Any = metadata.entry_points()
    found = points.select(group="pytest11") if hasattr(points, "select") else points.get("pytest11", ())
    return () if "torchscript" in [point.name for point in found] else ("-p", "pytest_torchscript.plugin")


def processes_of(folder: Path) -> list[str]:
    """Return the commands of processes that still work in a folder, beside this one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").resolve() == folder and entry.name != str(os.getpid()):
                found.append((entry / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found
