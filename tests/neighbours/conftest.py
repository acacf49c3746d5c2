"""Pytest run in a folder with toy factories, together with whatever plugins are installed."""

from __future__ import annotations

import contextlib
import importlib

import outside
import pytest
from together import ZOO, Run

import pytest_torchscript.checks

#: The engine is imported here once: pytester drops modules that an inner run imports, and would import them again.
pytest_torchscript.checks.registered()
with contextlib.suppress(ImportError):  # what draws, for the same reason: its classes are known by identity
    from matplotlib import figure, legend, lines  # noqa: F401
    from matplotlib.backends import backend_agg, backend_svg  # noqa: F401


@pytest.fixture
def folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with the factories, and a terminal that changes nothing."""
    for name in ("PYTEST_ADDOPTS", "CI", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")
    pytester.makepyfile(zoo=ZOO)
    return pytester


@pytest.fixture
def run(folder: pytest.Pytester) -> Run:
    """Run pytest there, in this process; every plugin that is installed takes part, but only one test shuffles."""
    plugins = [importlib.import_module("pytest_torchscript.plugin")] if outside.plugin_arguments() else []

    def run_inner(*arguments: str, shuffled: bool = False) -> pytest.RunResult:
        quiet = () if shuffled else ("-p", "no:randomly")
        return folder.runpytest_inprocess(*quiet, *arguments, plugins=plugins)

    return run_inner
