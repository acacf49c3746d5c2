"""--torchscript-artifact."""

from __future__ import annotations

import pytest
from plugin_runs import Run, assert_usage_error


def test_artifact_that_is_not_there(run: Run) -> None:
    assert_usage_error(
        run("--torchscript-artifact", "traced.pt"), "--torchscript-artifact: file 'traced.pt' does not exist"
    )


def test_artifact_takes_one_model(run: Run, pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("traced.pt").write_text("")
    models = ("--torchscript-model", "zoo:good", "--torchscript-model", "zoo:bad")
    assert_usage_error(
        run(*models, "--torchscript-artifact", "traced.pt"), "--torchscript-artifact takes exactly one model"
    )
