"""--torchscript-backend: with more than one, ids end in its name."""

from __future__ import annotations

import pytest
from plugin_runs import Run, names

from pytest_torchscript.backends.registry import backend_names


def test_second_backend_ends_the_ids(run: Run) -> None:
    backends = ("--torchscript-backend", "torchscript", "--torchscript-backend", "neuron")
    found = names(run("--torchscript-model", "zoo:good", *backends, "--co", "-q"))
    assert "torchscript::zoo:good::test_axis[time-neuron]" in found
    assert "torchscript::zoo:good::test_trace[torchscript]" in found
    assert found[: len(found) // 2] == [name for name in found if "torchscript]" in name]


def test_id_with_a_backend(run: Run) -> None:
    backends = ("--torchscript-backend", "torchscript", "--torchscript-backend", "neuron")
    wanted = "torchscript::zoo:good::test_axis[time-torchscript]"
    assert names(run(wanted, *backends, "--co", "-q")) == [wanted]
    run(wanted, *backends).assert_outcomes(passed=1)


def test_one_backend_does_not(run: Run) -> None:
    found = names(run("--torchscript-model", "zoo:good", "--torchscript-backend", "neuron", "--co", "-q"))
    assert "torchscript::zoo:good::test_axis[time]" in found


@pytest.mark.parametrize("backend", backend_names())
def test_every_backend_is_collected_whatever_its_traits_depend_on(run: Run, backend: str) -> None:
    found = run("--torchscript-model", "zoo:good", "--torchscript-backend", backend, "--co", "-q")
    assert names(found)[0] in ("torchscript::zoo:good::test_trace", "torchscript::zoo:good::test_model")
