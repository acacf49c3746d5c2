"""From tests to one record: complete whatever becomes of a run, in the header and in the summary."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from plugin_runs import Run, checks_of, read_report


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "n2"])
def test_complete(run_apart: Run, pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    models = ("--torchscript-model", "zoo:good", "--torchscript-model", "zoo:bad", "--torchscript-model", "zoo:missing")
    args = (*models, "-k", "trace or axis or values or model", "--torchscript-report", "out.json", *workers)
    result = run_apart(*args)
    result.assert_outcomes(passed=7, failed=2)
    assert result.ret == 1
    report = read_report(pytester.path)
    assert report["schema_version"] == 1
    assert set(report["environment"]) >= {"pytest_torchscript", "torch", "transformers", "python"}
    assert [model["model"] for model in report["models"]] == ["zoo:good", "zoo:bad", "zoo:missing"]
    checks = ["trace", "axis[batch]", "axis[time]", "values"]
    assert list(checks_of(report, "zoo:good")) == checks
    assert checks_of(report, "zoo:bad")["axis[time]"] == "failed"
    assert checks_of(report, "zoo:missing") == {"model": "error"}
    bad = report["models"][1]["exports"][0]
    assert [axis["verdict"] for axis in bad["axes"]] == ["dynamic", "diverges"]
    cause = bad["axes"][1]["causes"][0]
    assert cause["source"][cause["column"] - 1 : cause["end_column"]] == "float(x.shape[1])"
    tried = bad["axes"][1]["tried_at"]
    assert tried[0] == {"sizes": {"batch": 2, "time": 11}, "result": "agrees", "max_abs_difference": 0.0}
    assert tried[-1]["sizes"] == bad["axes"][1]["counterexample"] == {"batch": 1, "time": 1}
    assert (tried[-1]["result"], tried[-1]["max_abs_difference"]) == ("differs", bad["axes"][1]["max_abs_difference"])
    result.stdout.fnmatch_lines(
        [
            "*= torchscript =*",
            "zoo:bad: Bad*",
            "*time * diverges*",
            "zoo:good: Good*: 4 passed; batch, time dynamic",
            "3 models: 2 failed, 1 passed; *",
            "report: *out.json",
        ]
    )


def test_cannot_be_written_in_the_end(run: Run, pytester: pytest.Pytester) -> None:
    pytester.mkdir("out")
    pytester.makepyfile(test_own="import shutil\n\ndef test_zap():\n    shutil.rmtree('out')\n")
    paths = [f"--torchscript-report={name}" for name in ("first.md", "out/out.json", "last.json")]
    result = run(*paths)
    result.stdout.fnmatch_lines(
        ["report: *first.md", "report: *last.json", "report '*out.json' could not be written: *"]
    )
    assert result.ret == 1
    assert read_report(pytester.path, "last.json")["complete"] is True


def test_collecting_writes_nothing(run: Run, pytester: pytest.Pytester) -> None:
    run("--torchscript-model", "zoo:good", "--torchscript-report", "out.json", "--co")
    assert not (pytester.path / "out.json").exists()


INCOMPLETE = "incomplete: the run was cut short, and what did not run is missing"


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "n1"])
def test_stopped_early(run_apart: Run, pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    reports = ["--torchscript-report=out.json", "--torchscript-report=out.md"]
    result = run_apart("--torchscript-model", "zoo:bad", "-x", "-k", "axis or save_load or speed", *reports, *workers)
    report = read_report(pytester.path)
    assert report["complete"] is False
    assert checks_of(report, "zoo:bad") == {"axis[batch]": "passed", "axis[time]": "failed"}
    assert INCOMPLETE in result.stdout.str()
    assert f"**{INCOMPLETE}**" in (pytester.path / "out.md").read_text(encoding="utf-8")


def test_stopped_at_the_last_test(run: Run, pytester: pytest.Pytester) -> None:
    run("--torchscript-model", "zoo:bad", "-x", "-k", "axis", "--torchscript-report", "out.json")
    assert read_report(pytester.path)["complete"] is True


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
def test_ended_by_sigterm(run_apart: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import os, signal, shutil

        def pytest_runtest_setup(item):
            if item.name == "test_values":
                shutil.copy("out.json", "journal.json")
                os.kill(os.getpid(), signal.SIGTERM)
        """
    )
    reports = ["--torchscript-report=out.json", "--torchscript-report=out.md"]
    result = run_apart("--torchscript-model", "zoo:good", "-k", "trace or values", *reports)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    for name in ("journal.json", "out.json"):
        report = read_report(pytester.path, name)
        assert (report["complete"], checks_of(report, "zoo:good")) == (False, {"trace": "passed"})
    assert INCOMPLETE in (pytester.path / "out.md").read_text(encoding="utf-8")


def test_the_journal_is_there_before_the_first_test(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import shutil

        def pytest_runtest_setup(item):
            shutil.copy("out.json", "journal.json")
        """
    )
    run("torchscript::zoo:good::test_trace", "--torchscript-report", "out.json")
    journal = read_report(pytester.path, "journal.json")
    assert (journal["complete"], journal["models"], journal["schema_version"]) == (False, [], 1)
    assert read_report(pytester.path)["complete"] is True


def test_interrupted(run_apart: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        def pytest_runtest_setup(item):
            if item.name == "test_values":
                raise KeyboardInterrupt
        """
    )
    result = run_apart("--torchscript-model", "zoo:good", "-k", "trace or values", "--torchscript-report", "out.json")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    report = read_report(pytester.path)
    assert (report["complete"], checks_of(report, "zoo:good")) == (False, {"trace": "passed"})


def test_expected_failure(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest

        def pytest_collection_modifyitems(items):
            for item in items:
                if item.name == "test_axis[time]":
                    item.add_marker(pytest.mark.xfail(reason="later"))
                if item.name == "test_trace":
                    item.add_marker(pytest.mark.skip(reason="not today"))
        """
    )
    result = run("--torchscript-model", "zoo:bad", "-k", "axis or trace", "--torchscript-report", "out.json")
    result.assert_outcomes(passed=1, xfailed=1, skipped=1)
    checks = {check["name"]: check for check in read_report(pytester.path)["models"][0]["exports"][0]["checks"]}
    assert (checks["axis[time]"]["outcome"], checks["axis[time]"]["message"]) == ("skipped", "known: later")
    assert (checks["trace"]["outcome"], checks["trace"]["message"]) == ("skipped", "not today")


def test_failures_that_are_pytests_own(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(autouse=True)
        def around(request):
            if request.node.name == "test_trace":
                raise ValueError("before")
            yield
            if request.node.name == "test_outputs":
                raise ValueError("after")
        """
    )
    result = run("--torchscript-model", "zoo:good", "-k", "trace or outputs", "--torchscript-report", "out.json")
    result.assert_outcomes(passed=1, errors=2)
    checks = {check["name"]: check for check in read_report(pytester.path)["models"][0]["exports"][0]["checks"]}
    assert checks["trace"]["outcome"] == "error"
    assert "before" in checks["trace"]["message"]
    assert checks["outputs"]["outcome"] == "error"
    assert "after" in checks["outputs"]["message"]


def test_report_hook(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_torchscript_report(config, report):\n    report.environment['commit'] = 'abc'\n")
    run("torchscript::zoo:good::test_trace", "--torchscript-report", "out.json")
    assert read_report(pytester.path)["environment"]["commit"] == "abc"


def test_header(run: Run) -> None:
    result = run("--torchscript-model", "zoo:good", "--torchscript-model", "zoo:bad", "--co")
    line = next(line for line in result.outlines if line.startswith("torchscript: "))
    assert line.startswith("torchscript: zoo:good, zoo:bad | torch ")
    assert ", transformers " in line
    assert ", hypothesis " in line
    assert "neuron" not in line


def test_quiet(run: Run) -> None:
    result = run("torchscript::zoo:good::test_axis", "-q")
    result.stdout.fnmatch_lines(["*= torchscript =*", "zoo:good: Good*", "*time * dynamic*"])


def test_silent_where_unused(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own="def test_mine():\n    pass\n")
    assert "torchscript" not in "\n".join(line for line in run().outlines if not line.startswith("plugins:"))


def test_skips_point_at_the_test(run: Run, pytester: pytest.Pytester) -> None:
    result = run("--torchscript-model", "zoo:good", "-k", "tied_weights", "-rs", "--junitxml=out.xml")
    result.stdout.fnmatch_lines(["SKIPPED [[]1] torchscript::zoo:good::test_tied_weights: *"])
    ElementTree.parse(pytester.path / "out.xml")


def test_summary_file_for_a_job(run: Run, pytester: pytest.Pytester, tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    run("torchscript::zoo:good::test_axis", "--torchscript-report", os.fspath(path)).assert_outcomes(passed=2)
    assert "zoo:good" in path.read_text(encoding="utf-8")
