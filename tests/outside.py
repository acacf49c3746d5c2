"""Running pytest as a user does: a process of its own, in a folder outside the checkout."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

#: Variables that would let a developer's shell, or the run around a test, change what the test sees.
_FOREIGN = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_XDIST_WORKER", "PYTEST_CURRENT_TEST", "CI", "FORCE_COLOR")


def plugin_arguments() -> tuple[str, ...]:
    """Return what names the plugin to pytest: nothing where the package is installed."""
    points: Any = importlib.metadata.entry_points()  # a dict until Python 3.10
    found = points.select(group="pytest11") if hasattr(points, "select") else points.get("pytest11", ())
    installed = any(point.name == "torchscript" for point in found)
    return () if installed else ("-p", "pytest_torchscript.plugin")


def run_pytest(
    folder: Path, *arguments: str, python: tuple[str, ...] = (), **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder and return how it ended; ``python`` are arguments of the interpreter."""
    environment = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    environment.update({"NO_COLOR": "1", "COLUMNS": "160", **variables})
    command = [sys.executable, *python, "-m", "pytest", *plugin_arguments(), *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        timeout=600,
        check=False,
    )
