"""--torchscript-neuron, the marker ``neuron`` and the fixture ``torchscript_neuron``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from plugin_runs import Run, assert_usage_error, names, read_report

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
    result.stdout.fnmatch_lines(["SKIPPED * test_own.py:*: neuron cannot run here: *no device*", "*hint: pip install*"])


def test_require(run: Run, own: Machine) -> None:
    result = run("--torchscript-neuron", "require")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["neuron cannot run here: *", "    hint: *"])
    assert "neuron.py" not in result.stdout.str()


def test_off(run: Run, own: Machine) -> None:
    result = run("--torchscript-neuron", "off", "-rs")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED *Neuron is switched off*"])


def test_emulate(run: Run, own: Machine, pytester: pytest.Pytester) -> None:
    files = ("--torchscript-report", "out.json", "--torchscript-report", "out.md", "--junitxml", "out.xml")
    result = run("--torchscript-neuron", "emulate", "-v", *files)
    assert result.ret == 0
    assert result.parseoutcomes() == {"emulated": 2}
    result.stdout.fnmatch_lines(
        [
            "torchscript: torch * | neuron: emulate, emulated on CPU*",
            "test_own.py::test_marked EMULATED*",
            "test_own.py::test_fixture EMULATED*",
            "neuron: 2 tests emulated on CPU*",
            "  neuron: 1 emulated",
        ]
    )
    export = read_report(pytester.path)["models"][0]["exports"][0]
    assert export["backend"] == "neuron"
    assert export["device"]["emulated"] is True
    assert export["checks"][0]["message"].startswith("emulated on CPU")
    assert "nothing failed, in part emulated" in (pytester.path / "out.md").read_text(encoding="utf-8")
    assert (pytester.path / "out.xml").read_text().count('name="torchscript_neuron" value="emulated"') == 2


def test_emulate_beside_tests_of_another_kind(run: Run, own: Machine, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_other="def test_other():\n    pass\n")
    assert run("--torchscript-neuron", "emulate").parseoutcomes() == {"emulated": 2, "passed": 1}


def test_emulate_through_the_helper(run: Run, pytester: pytest.Pytester, neuron_machine: Machine) -> None:
    neuron_machine(device=False)
    pytester.makepyfile("from zoo import good\n\ndef test_it(torchscript):\n    torchscript.check(good)\n")
    args = ("--torchscript-backend", "neuron", "--torchscript-neuron", "emulate")
    assert run(*args).parseoutcomes() == {"emulated": 1}


def test_compile_only(run: Run, own: Machine) -> None:
    own("inf1", device=False)
    result = run("--torchscript-neuron", "compile", "-rs")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(
        [
            "SKIPPED * test_own.py:*: not run: it needs a device, and --torchscript-neuron compile only compiles",
            "SKIPPED * test_own.py:*: neuron: compiled only: nothing was run or compared",
        ]
    )


def test_compile_that_fails(run: Run, own: Machine) -> None:
    own("inf1", device=False, behaviour="cpu_trace")
    result = run("--torchscript-neuron", "compile", "-k", "fixture")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*nothing on the device*", "*hint: *"])


def test_header_says_the_mode(run: Run, neuron_machine: Machine) -> None:
    neuron_machine(device=False)
    result = run("--torchscript-model", "zoo:good", "--torchscript-neuron", "emulate", "--co")
    result.stdout.fnmatch_lines(["torchscript: zoo:good | torch * | neuron: emulate, emulated on CPU*"])


def test_suite_emulated(run: Run, neuron_machine: Machine) -> None:
    neuron_machine(device=False)
    args = ("--torchscript-backend", "neuron", "--torchscript-neuron", "emulate")
    result = run("torchscript::zoo:good::test_neuron", *args)
    assert result.parseoutcomes() == {"emulated": 1}
    result.stdout.fnmatch_lines(["torchscript e *", "*neuron: 1 emulated*"])


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
        from pytest_torchscript.plugin.options import run_of

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
