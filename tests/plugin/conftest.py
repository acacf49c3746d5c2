"""Inner pytest runs on toy models: a factory module, so that nothing but torch is imported.

The engine is imported here once: pytester drops modules that an inner run imports, and would import it again each time.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from pathlib import Path
from typing import Any

import pytest
from plugin_runs import INSTALLED, TOYS, Run

import pytest_torchscript.checks

pytest_torchscript.checks.registered()
with contextlib.suppress(ImportError):  # what draws, for the same reason: its classes are known by identity
    from matplotlib import figure, legend, lines  # noqa: F401
    from matplotlib.backends import backend_agg, backend_svg  # noqa: F401


def pytest_configure(config: pytest.Config) -> None:
    """Know the marker of the suite also where the plugin takes no part in the outer run."""
    if not INSTALLED:
        config.addinivalue_line("markers", "torchscript: carried by the suite")


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTEST_ADDOPTS", "CI", "FORCE_COLOR", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")


@pytest.fixture
def toys(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder with the factories."""
    pytester.makepyfile(zoo=TOYS)
    return pytester


@pytest.fixture
def run(toys: pytest.Pytester) -> Run:
    """Run pytest on the toys, in this process."""

    def run_inner(*args: Any, **kwargs: Any) -> pytest.RunResult:
        plugins = [] if INSTALLED else [importlib.import_module("pytest_torchscript.plugin")]
        return toys.runpytest_inprocess("-p", "no:randomly", *args, plugins=plugins, **kwargs)

    return run_inner


@pytest.fixture
def run_apart(toys: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run pytest on the toys in a process of its own: for xdist and crashes."""

    project = os.fspath(Path(pytest_torchscript.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([project, os.environ.get("PYTHONPATH", "")]))

    def run_outer(*args: Any) -> pytest.RunResult:
        named = () if INSTALLED else ("-p", "pytest_torchscript.plugin")
        return toys.runpytest_subprocess(*named, *args, timeout=300)

    return run_outer


@pytest.fixture
def project_path(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this package is imported from, also for processes that an inner run starts."""
    project = Path(pytest_torchscript.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([os.fspath(project), os.environ.get("PYTHONPATH", "")]))
    return project


@pytest.fixture
def suite(run: Run) -> Run:
    """Run the suite of one toy: ``suite("good", "-k", "trace")``."""

    def run_suite(name: str, *args: Any) -> pytest.RunResult:
        return run("--torchscript-model", f"zoo:{name}", *args)

    return run_suite
