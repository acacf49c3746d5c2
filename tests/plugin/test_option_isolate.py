"""--torchscript-isolate, --torchscript-timeout and --torchscript-memory: what they take, and what isolation changes."""

from __future__ import annotations

import pytest
import torch
from plugin_runs import Run, assert_usage_error, checks_of, read_report

from pytest_torchscript import check
from pytest_torchscript.errors import OptionError
from pytest_torchscript.settings import make_settings

ON = ("--torchscript-isolate", "on")
FEW = ("-k", "trace or outputs or (axis and time)")
REPORT = ("--torchscript-report", "out.json")


@pytest.mark.parametrize("option", ["timeout", "memory"])
@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "much", ""])
def test_a_limit_is_a_number_above_zero(run: Run, option: str, value: str) -> None:
    assert_usage_error(run(f"--torchscript-{option}={value}"), f"--torchscript-{option}: {value!r} is not a number of")


def test_a_mode_is_one_of_three(run: Run) -> None:
    assert_usage_error(run("--torchscript-isolate", "yes"), "mode 'yes' does not exist", "choose from: auto, on, off")


@pytest.mark.parametrize("option", ["timeout", "memory"])
def test_off_and_a_limit_do_not_go_together(run: Run, option: str) -> None:
    result = run(f"--torchscript-{option}", "9", "--torchscript-isolate", "off")
    assert_usage_error(result, f"--torchscript-{option} is given with --torchscript-isolate off")
    with pytest.raises(OptionError, match=f"{option} is given with isolate off"):
        make_settings(isolate="off", **{option: 9})


@pytest.mark.process
def test_the_report_is_that_of_a_run_without(run: Run, toys: pytest.Pytester) -> None:
    found = []
    for options in ((), ON):
        result = run("--torchscript-model", "zoo:bad", *FEW, *REPORT, *options)
        result.assert_outcomes(passed=2, failed=1)
        result.stdout.fnmatch_lines(["*axis 'time' diverges*", "    at *zoo.py:* in forward: *"])
        report = read_report(toys.path)
        export = report["models"][0]["exports"][0]
        for row in export["checks"]:
            row["seconds"], row["message"] = 0, row["message"].replace(" --torchscript-isolate on", "")
        found.append(report["models"])
    assert found[0] == found[1]


@pytest.mark.process
def test_the_ini_file_knows_them(run: Run, toys: pytest.Pytester) -> None:
    toys.makeini("[pytest]\ntorchscript_isolate = on\ntorchscript_timeout = 90\ntorchscript_memory = 4\n")
    run("--torchscript-model", "zoo:deadly", "-k", "trace", *REPORT).assert_outcomes(failed=1)
    assert checks_of(read_report(toys.path), "zoo:deadly") == {"trace": "error"}


@pytest.mark.process
def test_a_model_that_cannot_be_had_is_told_as_without(run: Run) -> None:
    said = []
    for options in ((), ON):
        result = run("--torchscript-model", "zoo:broken", *options)
        result.assert_outcomes(failed=1)
        said.append([line for line in result.outlines if line.startswith(("torchscript::", "    "))])
    assert said[0] == said[1]
    assert "out of cheese" in said[0][0]


@pytest.mark.process
def test_names_that_no_model_has_are_refused(run: Run) -> None:
    result = run("--torchscript-model", "zoo:good", "--torchscript-axis", "tme=1:4", *ON)
    assert_usage_error(result, "axis 'tme' does not exist", "did you mean 'time'?")


@pytest.mark.process
def test_inputs_and_backends_of_the_conftest_are_there_too(run: Run, toys: pytest.Pytester) -> None:
    toys.makeconftest(
        """
        from pytest_torchscript.backends.torchscript import TorchScriptBackend

        class Mine(TorchScriptBackend):
            name = "mine"

        def pytest_torchscript_backends():
            return [Mine]
        """
    )
    result = run("--torchscript-model", "zoo:good", "--torchscript-backend", "mine", *FEW, *ON)
    result.assert_outcomes(passed=3)


@pytest.mark.process
def test_each_model_has_a_process_of_its_own(run: Run, toys: pytest.Pytester) -> None:
    models = ("--torchscript-model", "zoo:deadly", "--torchscript-model", "zoo:good")
    result = run(*models, *FEW, *ON, *REPORT)
    result.assert_outcomes(passed=3, failed=1, skipped=2)
    report = read_report(toys.path)
    assert checks_of(report, "zoo:deadly") == {"trace": "error", "outputs": "skipped", "axis[time]": "skipped"}
    assert set(checks_of(report, "zoo:good").values()) == {"passed"}
    message = report["models"][0]["exports"][0]["checks"][0]["message"]
    assert "its process ended with exit code 13 in test_trace, while the exporter ran at batch=2 time=11" in message
    axis = report["models"][0]["exports"][0]["axes"][0]
    assert (axis["axis"], axis["verdict"]) == ("time", "untested")
    assert axis["reason"].startswith("not asked: its process ended with exit code 13")


@pytest.mark.process
def test_a_model_that_an_id_alone_names_is_checked_apart(run: Run) -> None:
    result = run("torchscript::zoo:deadly::test_trace", *ON)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*its process ended with exit code 13 in test_trace*"])


LIMITED = [("timeout", "9"), ("memory", "2")]


@pytest.mark.parametrize(("option", "value"), LIMITED)
def test_a_model_of_a_fixture_has_no_limit(run: Run, toys: pytest.Pytester, option: str, value: str) -> None:
    toys.makeconftest("import pytest, zoo\n@pytest.fixture\ndef torchscript_model():\n    return zoo.good()\n")
    toys.makeini("[pytest]\npythonpath = .\n")
    assert_usage_error(run(f"--torchscript-{option}", value), f"--torchscript-{option}: the model of fixture")


@pytest.mark.parametrize(("option", "value"), LIMITED)
def test_a_module_at_hand_has_no_limit(option: str, value: str) -> None:
    with pytest.raises(OptionError, match=f"{option}: a limit is kept from outside"):
        check(torch.nn.ReLU(), {"x": torch.ones(2, 3)}, **{option: float(value)})


def test_a_marker_takes_no_limit(run: Run, toys: pytest.Pytester) -> None:
    toys.makepyfile(
        test_own="""
        import pytest, zoo

        @pytest.mark.torchscript(model=zoo.good, timeout=3)
        def test_it(torchscript_traced):
            pass
        """
    )
    result = run("-p", "no:cacheprovider", "test_own.py")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*timeout=3: a model of a test lives in the process of the test*", "*hint: *"])


@pytest.mark.process
def test_a_reference_is_checked_apart_by_the_function_too(toys: pytest.Pytester) -> None:
    result = check("zoo:deadly", checks=["trace", "outputs"], isolate="on", timeout=100)
    assert [item.outcome for item in result.checks] == ["error", "skipped"]
    assert "its process ended with exit code 13 in test_trace" in result.checks[0].message
    assert check("zoo:good", checks=["trace"], isolate="on").passed
