"""--torchscript-task."""

from __future__ import annotations

from plugin_runs import Run, assert_usage_error


def test_task_takes_one_model(run: Run) -> None:
    models = ("--torchscript-model", "zoo:good", "--torchscript-model", "zoo:bad")
    result = run(*models, "--torchscript-task", "masked-lm")
    assert_usage_error(result, "--torchscript-task takes exactly one model, but 2 are given: zoo:good, zoo:bad")
