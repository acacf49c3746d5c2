"""The hooks that others may implement."""

from __future__ import annotations

import pytest
from plugin_runs import Run


def test_inputs_hook_is_not_asked_for_a_factory(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_torchscript_inputs(config, model_class, task):\n    raise AssertionError\n")
    run("torchscript::zoo:good::test_trace").assert_outcomes(passed=1)


def test_unknown_hook_is_refused(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_torchscript_report(config, rapport):\n    pass\n")
    assert run().ret != 0
