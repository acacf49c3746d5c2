"""--torchscript-neuron, the marker ``neuron`` and the fixture ``torchscript_neuron``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from plugin_runs import Run, assert_usage_error, names

Machine = Callable[..., Path]

OWN = """
import pytest
from zoo import good

@pytest.mark.neuron
def test_marked():
    pass

@pytest.mark.torchscript(model=good)
def test_fixture(torchscript_neuron, torchscript_inputs):
    assert torchscript_neuron(*torchscript_inputs.values())
"""


@pytest.fixture
def own(pytester: pytest.Pytester, neuron_machine: Machine) -> Machine:
    """A test file that needs a device, on a machine without one."""
    pytester.makepyfile(test_own=OWN)
    neuron_machine(device=False)
    return neuron_machine


def test_no_device(run: Run, own: Machine) -> None:
    result = run("-rs")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED * test_own.py:*: neuron cannot run here: *no device*"])


def test_require(run: Run, own: Machine) -> None:
    result = run("--torchscript-neuron", "require")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["neuron cannot run here: *", "    hint: *"])
    assert "neuron.py" not in result.stdout.str()


def test_off(run: Run, own: Machine) -> None:
    result = run("--torchscript-neuron", "off", "-rs")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED *Neuron is switched off*"])


def test_emulate(run: Run, own: Machine) -> None:
    run("--torchscript-neuron", "emulate").assert_outcomes(passed=2)


def test_compile_only(run: Run, own: Machine) -> None:
    run("--torchscript-neuron", "compile").assert_outcomes(skipped=2)


def test_header_says_the_mode(run: Run, neuron_machine: Machine) -> None:
    neuron_machine(device=False)
    result = run("--torchscript-model", "zoo:good", "--torchscript-neuron", "emulate", "--co")
    result.stdout.fnmatch_lines(["torchscript: zoo:good | torch * | neuron: emulate, emulated on CPU*"])


def test_suite_emulated(run: Run, neuron_machine: Machine) -> None:
    neuron_machine(device=False)
    args = ("--torchscript-backend", "neuron", "--torchscript-neuron", "emulate")
    result = run("torchscript::zoo:good::test_neuron", *args)
    result.stdout.fnmatch_lines(["*emulated*"])


@pytest.mark.parametrize(
    ("args", "there"),
    [
        ((), False),
        (("--torchscript-neuron", "off"), False),
        (("--torchscript-neuron", "require"), True),
        (("--torchscript-neuron", "emulate"), True),
        (("--torchscript-backend", "neuron"), True),
    ],
    ids=str,
)
def test_suite_has_it_on_request(run: Run, neuron_machine: Machine, args: tuple[str, ...], there: bool) -> None:
    neuron_machine(device=False)
    found = names(run("--torchscript-model", "zoo:good", *args, "--co", "-q"))
    assert ("torchscript::zoo:good::test_neuron" in found) is there


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("timeout", "'timeout' is not an option"),
        ("timeuot=3", "did you mean 'timeout'?"),
        ("timeout=soon", "timeout='soon' is not a number"),
    ],
)
def test_compilation_option_malformed(run: Run, option: str, said: str) -> None:
    assert_usage_error(run("--torchscript-neuron-option", option), "--torchscript-neuron-option:", said)


def test_compilation_options(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntorchscript_neuron_option =\n    timeout=60\n    fallback=false\n")
    pytester.makepyfile(
        test_own="""
        from pytest_torchscript.plugin.keys import run_of

        def test_options(request):
            options = run_of(request.config).settings.neuron_options
            assert options == {"timeout": "1800", "fallback": "false", "compiler_args": "--fast-math none"}
        """
    )
    args = (
        "--torchscript-neuron-option",
        "timeout=1800",
        "--torchscript-neuron-option",
        "compiler_args=--fast-math none",
    )
    run(*args).assert_outcomes(passed=1)
