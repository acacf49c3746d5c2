"""What holds for every option: words that are none, nothing given, switches, and what pytest says of them."""

from __future__ import annotations

import pytest
from plugin_runs import Run, assert_usage_error

from pytest_torchscript.errors import OptionError
from pytest_torchscript.settings import one_of


@pytest.mark.parametrize(
    ("option", "wrong", "right"),
    [
        ("weights", "tinny", "tiny"),
        ("task", "masked_lm", "masked-lm"),
        ("backend", "neuronn", "neuron"),
        ("neuron", "requires", "require"),
    ],
)
def test_unknown_word(run: Run, option: str, wrong: str, right: str) -> None:
    result = run(f"--torchscript-{option}", wrong)
    assert_usage_error(result, f"--torchscript-{option}:", f"{wrong!r} does not exist", f"choose from: {right}")


def test_closest_first() -> None:
    with pytest.raises(OptionError) as raised:
        one_of("weights", ("auto", "pretrained", "random", "tiny", "meta"))("rando")
    assert raised.value.hint.startswith("did you mean 'random'? choose from: random, ")
    assert raised.value.hint.count(",") == 4


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("weights", "weights '' does not exist"),
        ("task", "task '' does not exist"),
        ("backend", "'' is not a name"),
        ("neuron", "mode '' does not exist"),
        ("artifact", "'' is not a path"),
        ("cache", "'' is not a path"),
        ("known-failures", "'' is not a path"),
        ("report", "'' is not a path"),
        ("max-examples", "'' is not a number of examples"),
        ("rtol", "'' is not a tolerance"),
        ("axis", "'' does not describe an axis"),
        ("anchor", "'' is not an anchor"),
        ("option", "'' is not an option"),
        ("neuron-option", "'' is not an option"),
        ("model", "reference '' is empty"),
    ],
)
def test_empty(run: Run, pytester: pytest.Pytester, option: str, said: str) -> None:
    """Given and empty, as from a variable of CI that is not set: refused. In an ini file it is none."""
    assert_usage_error(run(f"--torchscript-{option}="), f"--torchscript-{option}: {said}")
    pytester.makeini(f"[pytest]\ntorchscript_{option.replace('-', '_') + ('s' if option == 'model' else '')} =\n")
    assert run().ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_switches(run: Run) -> None:
    assert run("--torchscript-model", "zoo:good", "--torchscript-trust-remote-code", "-k", "trace").ret == 0


@pytest.mark.parametrize("value", ["maybe", "2"])
def test_switch_in_the_ini(run: Run, pytester: pytest.Pytester, value: str) -> None:
    pytester.makeini(f"[pytest]\ntorchscript_trust_remote_code = {value}\n")
    assert_usage_error(run(), "torchscript_trust_remote_code in tox.ini")


def test_help(run: Run) -> None:
    result = run("--help")
    result.stdout.fnmatch_lines(
        ["TorchScript exports against eager models:", "*--torchscript-model*REF*", "*torchscript_models*"]
    )


def test_markers(run: Run) -> None:
    run("--markers").stdout.fnmatch_lines(["@pytest.mark.torchscript(model=None, *", "@pytest.mark.neuron:*"])
