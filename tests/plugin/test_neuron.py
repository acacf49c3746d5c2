"""NeuronCores under pytest-xdist: each worker takes its own, and more workers than cores are refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from plugin_runs import Run, assert_usage_error

pytest.importorskip("xdist")

Machine = Callable[..., Path]

OWN = """
import os, time
import pytest

@pytest.mark.neuron
@pytest.mark.parametrize("number", range(6))
def test_core(number):
    time.sleep(0.2)
    with open("cores.txt", "a") as out:
        out.write(os.environ["PYTEST_XDIST_WORKER"] + "=" + os.environ.get("NEURON_RT_VISIBLE_CORES", "") + " ")
"""


@pytest.fixture
def two_cores(pytester: pytest.Pytester, neuron_machine: Machine) -> pytest.Pytester:
    """Tests that need a device, on a machine with two cores."""
    pytester.makepyfile(test_own=OWN)
    neuron_machine("inf1", cores=2)
    return pytester


def test_own_tests_take_a_core_each(run_apart: Run, two_cores: pytest.Pytester) -> None:
    run_apart("-n", "2").assert_outcomes(passed=6)
    assert set((two_cores.path / "cores.txt").read_text().split()) == {"gw0=0", "gw1=1"}


def test_own_tests_with_a_worker_too_many(run_apart: Run, two_cores: pytest.Pytester) -> None:
    result = run_apart("-n", "3")
    result.assert_outcomes(errors=6)
    result.stdout.fnmatch_lines(["3 workers (-n 3), more than there are NeuronCores: this machine has 2 NeuronCores"])
    result.stdout.fnmatch_lines(["*hint: use fewer workers*"])


def test_other_tests_are_not_refused(run_apart: Run, two_cores: pytest.Pytester) -> None:
    two_cores.makepyfile(
        test_own="import pytest\n\n@pytest.mark.parametrize('n', range(6))\ndef test_it(n):\n    pass\n"
    )
    run_apart("-n", "3").assert_outcomes(passed=6)


@pytest.mark.parametrize(
    "args",
    [("--torchscript-neuron", "require"), ("--torchscript-backend", "neuron", "--torchscript-model", "zoo:good")],
    ids=["require", "backend"],
)
def test_a_run_for_the_device_ends_early(run_apart: Run, two_cores: pytest.Pytester, args: tuple[str, ...]) -> None:
    assert_usage_error(run_apart(*args, "-n", "3"), "3 workers", "this machine has 2 NeuronCores")


def test_suites_take_a_core_each(
    run_apart: Run, two_cores: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    record = tmp_path / "record.jsonl"
    monkeypatch.setenv("NEURON_STANDIN_RECORD", os.fspath(record))
    models = ("--torchscript-model", "zoo:good", "--torchscript-model", "zoo:bad")
    result = run_apart(*models, "--torchscript-backend", "neuron", "-k", "test_neuron", "-n", "2")
    result.assert_outcomes(passed=2)
    assert {line.split('"cores": "')[1][0] for line in record.read_text().splitlines()} == {"0", "1"}


def test_what_the_user_set_is_kept(run_apart: Run, two_cores: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURON_RT_VISIBLE_CORES", "0-1")
    run_apart("-n", "2").assert_outcomes(passed=6)
    assert set((two_cores.path / "cores.txt").read_text().split()) == {"gw0=0-1", "gw1=0-1"}
