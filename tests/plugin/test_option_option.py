"""--torchscript-option and --torchscript-neuron-option: what a backend is told, typed and refused by the backend itself."""

from __future__ import annotations

import pytest
from plugin_runs import Run, assert_usage_error

OWN = """
from dataclasses import dataclass
from pytest_torchscript.backends import Backend
from pytest_torchscript.backends.base import Options

@dataclass(frozen=True)
class SlowOptions(Options):
    delay: float = 0.0
    loud: bool = False

class Slow(Backend):
    name = "slow"
    Options = SlowOptions

    def export(self, request):
        assert (self.options.delay, self.options.loud) == (1.5, True), self.options
        return request.module

def pytest_torchscript_backends():
    return [Slow]
"""


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("timeout=3", "option 'timeout' names no backend"),
        ("neuron.timeout", "'neuron.timeout' is not an option"),
        ("neurn.timeout=3", "backend 'neurn' does not exist"),
        ("neuron.timeuot=3", "neuron option 'timeuot' does not exist"),
        ("neuron.timeout=soon", "neuron option timeout='soon' is not a number"),
        ("torchscript.timeout=3", "torchscript option 'timeout' does not exist"),
    ],
)
def test_malformed(run: Run, option: str, said: str) -> None:
    assert_usage_error(run("--torchscript-option", option), "--torchscript-option:", said)


def test_malformed_in_the_ini(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntorchscript_option =\n    neuron.timeout=9\n    neuron.timeuot=3\n")
    assert_usage_error(run(), "torchscript_option in tox.ini: neuron option 'timeuot' does not exist")


def test_twice(run: Run) -> None:
    twice = ("--torchscript-option", "neuron.timeout=3", "--torchscript-option", "neuron.timeout=4")
    assert_usage_error(run(*twice), "--torchscript-option: 'neuron.timeout' is given twice")


def test_a_backend_of_the_repository(run: Run, pytester: pytest.Pytester) -> None:
    """The command line's options and the ini file's are joined; they arrive typed."""
    pytester.makeconftest(OWN)
    pytester.makeini("[pytest]\ntorchscript_option =\n    slow.delay=0.5\n    slow.loud=yes\n")
    args = ("--torchscript-backend", "slow", "--torchscript-option", "slow.delay=1.5")
    run("torchscript::zoo:good::test_outputs", *args).assert_outcomes(passed=1)
    assert_usage_error(run("--torchscript-option", "slow.dely=1"), "slow option 'dely' does not exist", "'delay'")


def test_in_a_marker(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(OWN)
    pytester.makepyfile(
        test_own="""
        import pytest
        from zoo import good

        @pytest.mark.torchscript(model=good, backend="slow", options={"slow": {"delay": 1.5, "loud": True}})
        def test_nested(torchscript_traced):
            assert torchscript_traced

        @pytest.mark.torchscript(model=good, backend="slow", option={"slow.delay": "1.5", "slow.loud": "yes"})
        def test_by_full_name(torchscript_traced):
            assert torchscript_traced

        @pytest.mark.torchscript(option="slow.dely=3")
        def test_wrong():
            pass
        """
    )
    result = run()
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["@pytest.mark.torchscript: slow option 'dely' does not exist"])
