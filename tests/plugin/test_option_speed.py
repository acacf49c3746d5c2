"""--torchscript-speed."""

from __future__ import annotations

import pytest
from plugin_runs import Run, names


def test_speed_is_collected_on_request(run: Run, pytester: pytest.Pytester) -> None:
    model = ("--torchscript-model", "zoo:good", "--co", "-q", "-k", "speed")
    assert names(run(*model)) == []
    assert names(run(*model, "--torchscript-speed")) == ["torchscript::zoo:good::test_speed"]
    pytester.makeini("[pytest]\ntorchscript_speed = true\n")
    assert names(run(*model)) == ["torchscript::zoo:good::test_speed"]


def test_speed_is_seen(run_apart: Run) -> None:
    # Apart, for torch's timer imports setuptools, whose copy of importlib.metadata takes the place of Python 3.9's: a later
    # run of pytest in this process would find no plugin.
    result = run_apart("torchscript::zoo:good::test_speed", "--torchscript-speed")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["    speed: the export takes *.* times eager's time (* ms) at batch=* time=*, *"])
