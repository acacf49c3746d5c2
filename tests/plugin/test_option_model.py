"""--torchscript-model."""

from __future__ import annotations

import pytest
from plugin_runs import Run, assert_usage_error, names


def test_repeatable(run: Run) -> None:
    result = run("--torchscript-model", "zoo:good", "--torchscript-model=zoo:bad", "-k", "trace", "--co", "-q")
    assert names(result) == ["torchscript::zoo:good::test_trace", "torchscript::zoo:bad::test_trace"]


def test_twice(run: Run) -> None:
    result = run("--torchscript-model", "zoo:good", "--torchscript-model", "zoo:good")
    assert_usage_error(result, "--torchscript-model: 'zoo:good' is given twice")


@pytest.mark.parametrize("reference", ["", "   "])
def test_empty(run: Run, reference: str) -> None:
    assert_usage_error(run("--torchscript-model", reference), "--torchscript-model", "is empty")


def test_malformed(run: Run) -> None:
    assert_usage_error(run("--torchscript-model", "zoo:"), "--torchscript-model", "zoo")


def test_ini(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntorchscript_models =\n    zoo:good\n    zoo:bad\n")
    assert len(names(run("-k", "trace", "--co", "-q"))) == 2
    assert names(run("-k", "trace", "--co", "-q", "--torchscript-model", "zoo:bad")) == [
        "torchscript::zoo:bad::test_trace"
    ]


def test_toml(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\ntorchscript_models = ['zoo:good', 'zoo:bad']\n")
    assert len(names(run("-k", "trace", "--co", "-q"))) == 2


def test_ini_malformed(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntorchscript_models =\n    zoo:good\n    zoo:good\n")
    assert_usage_error(run(), "torchscript_models in tox.ini: 'zoo:good' is given twice")
