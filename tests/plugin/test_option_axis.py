"""--torchscript-axis."""

from __future__ import annotations

import pytest
from plugin_runs import Run, assert_usage_error, checks_of, read_report

from pytest_torchscript import Axis
from pytest_torchscript.errors import OptionError
from pytest_torchscript.settings import parse_axis


@pytest.mark.parametrize(
    ("text", "axis"),
    [
        ("sequence=1:512", Axis("sequence", 1, 512)),
        ("sequence=8:512:8", Axis("sequence", 8, 512, 8)),
        ("sequence=16", Axis.fixed_at("sequence", 16)),
        ("sequence=16,32,8", Axis.fixed_at("sequence", 8, 16, 32)),
        (" sequence = 4 : 8 ", Axis("sequence", 4, 8)),
    ],
)
def test_parse(text: str, axis: Axis) -> None:
    assert parse_axis(text) == axis


@pytest.mark.parametrize(
    "text",
    ["", "=", "sequence", "sequence=", "=4", "sequence=a", "sequence=1:", "sequence=1:2:3:4", "sequence=1,,2", "a=1.5"],
)
def test_malformed(text: str) -> None:
    with pytest.raises(OptionError, match="does not describe an axis") as raised:
        parse_axis(text)
    assert "NAME=MIN:MAX" in raised.value.hint


@pytest.mark.parametrize("text", ["a=0", "a=0,4", "a=4:2", "a=1:4:8", "a=-1:4", "1a=4"])
def test_impossible(text: str) -> None:
    with pytest.raises(OptionError):
        parse_axis(text)


def test_min_above_max(run: Run) -> None:
    assert_usage_error(
        run("--torchscript-axis", "time=9:4"), "--torchscript-axis: axis 'time': min=9 is larger than max=4"
    )


def test_malformed_option(run: Run) -> None:
    assert_usage_error(run("--torchscript-axis", "time"), "--torchscript-axis: 'time' does not describe an axis")


def test_twice(run: Run) -> None:
    result = run("--torchscript-axis", "time=4", "--torchscript-axis", "time=8")
    assert_usage_error(result, "--torchscript-axis: 'time' is given twice")


def test_unknown_to_all(run: Run) -> None:
    result = run("--torchscript-model", "zoo:good", "--torchscript-axis", "tme=4")
    assert_usage_error(result, "axis 'tme' does not exist", "did you mean 'time'?")


def test_unknown_to_one(run: Run) -> None:
    models = ("--torchscript-model", "zoo:good", "--torchscript-model", "zoo:other")
    result = run(*models, "--torchscript-axis", "time=1:8", "-k", "axis", "--torchscript-report", "out.json")
    result.assert_outcomes(passed=4)


def test_of_an_ini_file_for_a_model_that_is_left_out(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntorchscript_models =\n  zoo:good\n  zoo:other\ntorchscript_axis = time=1:8\n")
    run("torchscript::zoo:other::test_axis").assert_outcomes(passed=2)
    run("--torchscript-model", "zoo:other", "-k", "axis").assert_outcomes(passed=2)
    pytester.makeini("[pytest]\ntorchscript_models = zoo:other\ntorchscript_axis = time=1:8\n")
    assert_usage_error(run("-k", "axis"), "axis 'time' does not exist")


def test_narrowed(run: Run, pytester: pytest.Pytester) -> None:
    result = run(
        "torchscript::zoo:good::test_axis", "--torchscript-axis", "time=2:8:2", "--torchscript-report", "out.json"
    )
    result.assert_outcomes(passed=2)
    axes = {axis["axis"]: axis for axis in read_report(pytester.path)["models"][0]["exports"][0]["axes"]}
    assert (axes["time"]["min"], axes["time"]["max"]) == (2, 8)
    assert all(size % 2 == 0 and 2 <= size <= 8 for size in axes["time"]["tried"])


def test_declared_fixed(run: Run, pytester: pytest.Pytester) -> None:
    """The model whose time axis is frozen passes once that is declared, and its padding is checked."""
    model = ("--torchscript-model", "zoo:bad", "--torchscript-axis", "time=16", "--torchscript-report", "out.json")
    result = run(*model, "-k", "axis or padding")
    report = read_report(pytester.path)
    outcomes = checks_of(report, "zoo:bad")
    assert outcomes["axis[time]"] == "passed"
    assert outcomes["padding"] != "skipped"
    axes = {axis["axis"]: axis for axis in report["models"][0]["exports"][0]["axes"]}
    assert axes["time"]["verdict"] == "untested"
    assert "declared fixed at 16" in axes["time"]["reason"]
    assert "axis[batch]" in outcomes
    assert result.ret in (0, 1)


def test_ini_and_command_line_are_joined(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntorchscript_axis =\n    batch=1:3\n    time=1:4\n")
    args = ("torchscript::zoo:good::test_axis", "--torchscript-axis", "time=1:8", "--torchscript-report", "out.json")
    run(*args).assert_outcomes(passed=2)
    axes = {axis["axis"]: axis["max"] for axis in read_report(pytester.path)["models"][0]["exports"][0]["axes"]}
    assert axes == {"batch": 3, "time": 8}
