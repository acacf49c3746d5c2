"""Each neighbour together with this plugin, in one run."""

from __future__ import annotations

import importlib
import re

import outside
import pytest
from together import FEW, Run, needs, outcomes, verdicts

from pytest_torchscript.plugin.options import OPTIONS

GOOD = ("--torchscript-model", "zoo:good")
BAD = ("--torchscript-model", "zoo:bad")
REPORT = ("--torchscript-report", "out.json")
RIGHT = {"zoo:good": {"batch": "dynamic", "time": "dynamic"}, "zoo:bad": {"batch": "dynamic", "time": "diverges"}}


@needs("pytest_torch")
class TestTorch:
    def test_both_run_and_seed(self, folder: pytest.Pytester, run: Run) -> None:
        folder.makepyfile(
            """
            import pytest
            import zoo

            @pytest.mark.torchscript(model=zoo.good)
            def test_both_traced(torch_seed, torch_device, torchscript_traced, torchscript_inputs):
                torchscript_traced(*torchscript_inputs.values())
            """
        )
        result = run("--torch-seed", "3", "--torch-autoseed", "--torch-device", "cpu", *GOOD, *BAD, *FEW, *REPORT, ".")
        result.assert_outcomes(passed=8, failed=1)
        found = verdicts(folder.path)
        assert {name: found[name] for name in RIGHT} == RIGHT

    def test_no_option_or_fixture_is_taken_from_it(self) -> None:
        from pytest_torchscript.plugin import fixtures

        flags = {option.flag for option in OPTIONS}
        assert not [flag for flag in flags if not flag.startswith("--torchscript-")]
        theirs = set(vars(importlib.import_module("pytest_torch.plugin")))
        ours = {name for name in vars(fixtures) if name.startswith("torchscript")}
        assert ours
        assert not ours & theirs


@needs("pytest_timeout")
class TestTimeout:
    def test_a_limit_that_holds_changes_nothing(self, run: Run) -> None:
        run("--timeout", "120", *GOOD, *FEW).assert_outcomes(passed=4)

    def test_a_model_that_hangs_costs_its_own_tests(self, folder: pytest.Pytester, run: Run) -> None:
        ids = ("torchscript::zoo:slow::test_trace", "torchscript::zoo:good::test_trace")
        result = run("--timeout", "2", "--timeout-method", "signal", *REPORT, *ids)
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(["torchscript::zoo:slow: it took longer than 2 s (pytest-timeout) in test_trace*"])
        assert outcomes(folder.path, "zoo:slow") == [("trace", "error")]
        assert outcomes(folder.path, "zoo:good") == [("trace", "passed")]


@needs("pytest_html")
def test_html_lists_the_suite(folder: pytest.Pytester, run: Run) -> None:
    result = run("--html", "out.html", "--self-contained-html", *BAD, *FEW)
    result.assert_outcomes(passed=3, failed=1)
    page = (folder.path / "out.html").read_text(encoding="utf-8")
    assert "torchscript::zoo:bad::test_axis[time]" in page
    assert "diverges" in page


@needs("pytest_randomly")
def test_randomly_changes_no_verdict(folder: pytest.Pytester, run: Run) -> None:
    orders, reports = [], []
    for seed in ("1", "2"):
        result = run("-v", f"--randomly-seed={seed}", *GOOD, *BAD, *FEW, *REPORT, shuffled=True)
        result.assert_outcomes(passed=7, failed=1)
        orders.append(
            [line.split()[0] for line in result.outlines if re.match(r"torchscript::\S+ (PASSED|FAILED)", line)]
        )
        reports.append((verdicts(folder.path), outcomes(folder.path, "zoo:bad")))
    assert sorted(orders[0]) == sorted(orders[1])
    assert reports[0] == reports[1]
    assert reports[0][0] == RIGHT


@needs("pytest_rerunfailures")
class TestRerunFailures:
    def test_a_wrong_model_stays_wrong_and_is_told_once(self, folder: pytest.Pytester, run: Run) -> None:
        result = run("--reruns", "1", *BAD, *FEW, *REPORT)
        result.assert_outcomes(passed=3, failed=1)
        assert "1 rerun" in result.stdout.str()
        assert [name for name, _ in outcomes(folder.path, "zoo:bad")] == [
            "trace",
            "outputs",
            "axis[batch]",
            "axis[time]",
        ]
        assert verdicts(folder.path)["zoo:bad"] == RIGHT["zoo:bad"]

    def test_an_own_test_that_recovers_is_reported_as_passed(self, folder: pytest.Pytester, run: Run) -> None:
        folder.makepyfile(
            """
            import pytest
            import zoo

            TRIES = []

            @pytest.mark.torchscript(model=zoo.good)
            def test_flaky(torchscript_traced, torchscript_inputs):
                TRIES.append(torchscript_traced(*torchscript_inputs.values()))
                assert len(TRIES) > 1
            """
        )
        result = run("--reruns", "2", *REPORT)
        result.assert_outcomes(passed=1)
        (name,) = verdicts(folder.path)
        assert name.endswith("::test_flaky")
        assert {outcome for _, outcome in outcomes(folder.path, name)} == {"passed"}


@needs("pytest_cov")
def test_cov_measures_the_model_while_it_is_checked(folder: pytest.Pytester) -> None:
    arguments = ("-p", "no:randomly", "--cov=zoo", "--cov-report=json:cov.json", *BAD, *FEW, *REPORT)
    result = outside.run_pytest(folder.path, *arguments)
    assert result.returncode == 1, result.stdout
    assert "1 failed, 3 passed" in result.stdout
    assert verdicts(folder.path)["zoo:bad"] == RIGHT["zoo:bad"]
    lines = (folder.path / "zoo.py").read_text(encoding="utf-8").splitlines()
    forward = next(number for number, line in enumerate(lines, 1) if "float(x.shape[1])" in line)
    assert f"{forward}," in (folder.path / "cov.json").read_text(encoding="utf-8")


@needs("xdist")
def test_xdist_reports_what_one_process_does(folder: pytest.Pytester) -> None:
    found = []
    for workers in ("0", "2"):
        result = outside.run_pytest(folder.path, "-p", "no:randomly", "-n", workers, *GOOD, *BAD, *FEW, *REPORT)
        assert "1 failed, 7 passed" in result.stdout, result.stdout
        found.append((verdicts(folder.path), outcomes(folder.path, "zoo:bad")))
    assert found[0] == found[1]
