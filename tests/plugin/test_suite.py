"""The suite asks every question that the engine has."""

from __future__ import annotations

import pytest

from pytest_torchscript import suite
from pytest_torchscript.checks import registered
from pytest_torchscript.plugin.collection import Contents
from pytest_torchscript.plugin.options import Run
from pytest_torchscript.settings import Settings


@pytest.mark.parametrize("name", registered())
def test_says_what_it_proves(name: str) -> None:
    assert getattr(suite, f"test_{name}").__doc__


@pytest.mark.parametrize(
    ("contents", "there"),
    [(Contents(("batch",), "default"), False), (Contents(("batch",), "causal-lm"), True), (Contents(), True)],
    ids=["default", "causal-lm", "not known yet"],
)
def test_generation_where_a_task_generates(contents: Contents, there: bool) -> None:
    assert ("test_generation" in contents.names(Run())) is there


def test_backends_end_the_names() -> None:
    run = Run(settings=Settings(backends=("torchscript", "neuron")))
    names = list(Contents(("batch", "time"), "default").names(run))
    assert "test_axis[time-neuron]" in names
    assert "test_trace[torchscript]" in names
    assert "test_neuron[neuron]" in names
    assert "test_neuron[torchscript]" not in names


def test_speed_on_request() -> None:
    assert "test_speed" not in list(Contents((), "default").names(Run()))
    assert "test_speed" in list(Contents((), "default").names(Run(settings=Settings(speed=True))))
