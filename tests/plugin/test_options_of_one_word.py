"""Options that take one of some words, a number, or nothing: weights, task, backend, neuron, max-examples, rtol and atol."""

from __future__ import annotations

import pytest
from plugin_runs import Run, assert_usage_error, names, read_report

from pytest_torchscript.errors import OptionError
from pytest_torchscript.settings import count, one_of, tolerance


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


@pytest.mark.parametrize("text", ["0", "-1", "x", "", "1.5"])
def test_count(text: str) -> None:
    with pytest.raises(OptionError, match="is not a number of examples"):
        count(text)


@pytest.mark.parametrize("text", ["-1", "x", "", "nan", "inf"])
def test_tolerance(text: str) -> None:
    with pytest.raises(OptionError, match="is not a tolerance"):
        tolerance(text)


@pytest.mark.parametrize(("given", "missing"), [("rtol", "atol"), ("atol", "rtol")])
def test_half_a_tolerance(run: Run, given: str, missing: str) -> None:
    result = run(f"--torchscript-{given}", "1e-3")
    assert_usage_error(result, f"--torchscript-{given} is given without --torchscript-{missing}")


def test_half_a_tolerance_in_the_ini(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntorchscript_rtol = 1e-3\n")
    assert_usage_error(run(), "--torchscript-rtol is given without --torchscript-atol")
    assert run("--torchscript-atol", "1e-3", "--torchscript-model", "zoo:good", "-k", "trace").ret == 0


def test_tolerance_replaces_calibration(run: Run) -> None:
    args = ("torchscript::zoo:bad::test_axis", "--torchscript-rtol", "0", "--torchscript-atol", "1000")
    run(*args).assert_outcomes(passed=2)


def test_max_examples(run: Run, pytester: pytest.Pytester) -> None:
    args = ("torchscript::zoo:good::test_axis[time]", "--torchscript-report", "out.json")
    run(*args, "--torchscript-max-examples", "200").assert_outcomes(passed=1)
    many = read_report(pytester.path)["models"][0]["exports"][0]["axes"][0]["tried"]
    run(*args, "--torchscript-max-examples", "1").assert_outcomes(passed=1)
    few = read_report(pytester.path)["models"][0]["exports"][0]["axes"][0]["tried"]
    assert len(few) < len(many)


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


def test_task_takes_one_model(run: Run) -> None:
    models = ("--torchscript-model", "zoo:good", "--torchscript-model", "zoo:bad")
    result = run(*models, "--torchscript-task", "masked-lm")
    assert_usage_error(result, "--torchscript-task takes exactly one model, but 2 are given: zoo:good, zoo:bad")


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


def test_switches(run: Run) -> None:
    assert run("--torchscript-model", "zoo:good", "--torchscript-trust-remote-code", "-k", "trace").ret == 0


@pytest.mark.parametrize("value", ["maybe", "2"])
def test_switch_in_the_ini(run: Run, pytester: pytest.Pytester, value: str) -> None:
    pytester.makeini(f"[pytest]\ntorchscript_trust_remote_code = {value}\n")
    assert_usage_error(run(), "torchscript_trust_remote_code in tox.ini")


def test_speed_is_collected_on_request(run: Run, pytester: pytest.Pytester) -> None:
    model = ("--torchscript-model", "zoo:good", "--co", "-q", "-k", "speed")
    assert names(run(*model)) == []
    assert names(run(*model, "--torchscript-speed")) == ["torchscript::zoo:good::test_speed"]
    pytester.makeini("[pytest]\ntorchscript_speed = true\n")
    assert names(run(*model)) == ["torchscript::zoo:good::test_speed"]


def test_speed_is_seen(run: Run) -> None:
    result = run("torchscript::zoo:good::test_speed", "--torchscript-speed")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["    speed: the export takes *.* times eager's time at batch=* time=*, *"])


def test_cache_that_is_a_file(run: Run, pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("cache").write_text("")
    assert_usage_error(run("--torchscript-cache", "cache"), "--torchscript-cache: 'cache' is a file")


def test_artifact_that_is_not_there(run: Run) -> None:
    assert_usage_error(
        run("--torchscript-artifact", "traced.pt"), "--torchscript-artifact: file 'traced.pt' does not exist"
    )


def test_artifact_takes_one_model(run: Run, pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("traced.pt").write_text("")
    models = ("--torchscript-model", "zoo:good", "--torchscript-model", "zoo:bad")
    assert_usage_error(
        run(*models, "--torchscript-artifact", "traced.pt"), "--torchscript-artifact takes exactly one model"
    )


def test_help(run: Run) -> None:
    result = run("--help")
    result.stdout.fnmatch_lines(
        ["TorchScript exports against eager models:", "*--torchscript-model*REF*", "*torchscript_models*"]
    )


def test_markers(run: Run) -> None:
    run("--markers").stdout.fnmatch_lines(["@pytest.mark.torchscript(model=None, *", "@pytest.mark.neuron:*"])
