"""The log of a run: phases with their seconds, where they are asked for."""

from __future__ import annotations

import pytest
from plugin_runs import Run

PHASES = ("resolve", "build", "export", "trace", "compare")


def test_a_failure_shows_its_phases_where_the_log_level_was_given(run: Run) -> None:
    result = run("--torchscript-model", "zoo:bad", "--log-level=DEBUG", "-k", "axis and time")
    assert result.parseoutcomes()["failed"] == 1
    result.stdout.fnmatch_lines(
        ["*Captured log call*", "DEBUG *pytest_torchscript.export:* export torchscript x (*): * s"]
    )
    result.stdout.fnmatch_lines(["DEBUG *pytest_torchscript.compare:* compare x (*) differs: * s"])


def test_nothing_of_it_is_shown_otherwise(run: Run) -> None:
    result = run("--torchscript-model", "zoo:bad", "-k", "axis and time")
    assert result.parseoutcomes()["failed"] == 1
    result.stdout.no_fnmatch_line("*Captured log*")


def test_live(run: Run) -> None:
    result = run("--torchscript-model", "zoo:good", "--log-cli-level=DEBUG", "-k", "trace or outputs")
    for phase in PHASES:
        result.stdout.fnmatch_lines([f"*DEBUG *pytest_torchscript.{phase}:*{phase} *: * s"])


@pytest.mark.parametrize("level", ["WARNING", "INFO"])
def test_a_level_above_says_nothing(run: Run, level: str) -> None:
    result = run("--torchscript-model", "zoo:bad", f"--log-level={level}", "-k", "axis and time")
    assert result.parseoutcomes()["failed"] == 1
    result.stdout.no_fnmatch_line("*pytest_torchscript.compare*")
