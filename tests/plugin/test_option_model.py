"""--torchscript-model."""

from __future__ import annotations

import pytest
from plugin_runs import Run, assert_usage_error, names


def test_repeatable(run: Run) -> None:
    result = run("--torchscript-model", "toys:good", "--torchscript-model=toys:bad", "-k", "trace", "--co", "-q")
    assert names(result) == ["torchscript::toys:good::test_trace", "torchscript::toys:bad::test_trace"]


def test_twice(run: Run) -> None:
    result = run("--torchscript-model", "toys:good", "--torchscript-model", "toys:good")
    assert_usage_error(result, "--torchscript-model: 'toys:good' is given twice")


@pytest.mark.parametrize("reference", ["", "   "])
def test_empty(run: Run, reference: str) -> None:
    assert_usage_error(run("--torchscript-model", reference), "--torchscript-model", "is empty")


def test_malformed(run: Run) -> None:
    assert_usage_error(run("--torchscript-model", "toys:"), "--torchscript-model", "toys")


def test_ini(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntorchscript_models =\n    toys:good\n    toys:bad\n")
    assert len(names(run("-k", "trace", "--co", "-q"))) == 2
    assert names(run("-k", "trace", "--co", "-q", "--torchscript-model", "toys:bad")) == ["torchscript::toys:bad::test_trace"]


def test_toml(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\ntorchscript_models = ['toys:good', 'toys:bad']\n")
    assert len(names(run("-k", "trace", "--co", "-q"))) == 2


def test_ini_malformed(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntorchscript_models =\n    toys:good\n    toys:good\n")
    assert_usage_error(run(), "torchscript_models in tox.ini: 'toys:good' is given twice")
