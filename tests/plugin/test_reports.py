"""The report file, the header, the summary, and known failures."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from plugin_runs import Run, assert_usage_error, checks_of, read_report


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
    assert bad["axes"][1]["causes"][0]["source"].strip().startswith("return x.sum(1)")
    result.stdout.fnmatch_lines(["*= torchscript =*", "zoo:good: Good*", "*batch * dynamic*", "report: *out.json"])


def test_several_formats(run: Run, pytester: pytest.Pytester) -> None:
    paths = [f"--torchscript-report=out.{ending}" for ending in ("json", "md", "html", "png")]
    run("torchscript::zoo:good::test_axis", *paths).assert_outcomes(passed=2)
    for ending in ("json", "md", "html", "png"):
        assert (pytester.path / f"out.{ending}").stat().st_size > 100


def test_folder_that_is_not_there(run: Run) -> None:
    result = run("--torchscript-model", "zoo:good", "--torchscript-report", "nowhere/out.json")
    assert_usage_error(result, "--torchscript-report:", "nowhere", "does not exist")
    assert result.stdout.str().strip() == ""


@pytest.mark.parametrize("name", ["out.txt", "out"])
def test_ending(run: Run, name: str) -> None:
    assert_usage_error(run("--torchscript-report", name), "--torchscript-report:", ".json, .md, .html, .png")


def test_folder_in_place_of_a_file(run: Run, pytester: pytest.Pytester) -> None:
    pytester.mkdir("out.json")
    assert_usage_error(run("--torchscript-report", "out.json"), "folder")


def test_ini_path_starts_at_the_ini(run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makeini("[pytest]\ntorchscript_report = out.json\npythonpath = .\n")
    monkeypatch.chdir(pytester.mkdir("below"))
    run("torchscript::zoo:good::test_trace").assert_outcomes(passed=1)
    assert (pytester.path / "out.json").exists()


def test_cannot_be_written_in_the_end(run: Run, pytester: pytest.Pytester) -> None:
    pytester.mkdir("out")
    pytester.makepyfile(test_own="import pathlib\n\ndef test_zap():\n    pathlib.Path('out').rmdir()\n")
    result = run("--torchscript-report", "out/out.json")
    result.stdout.fnmatch_lines(["report '*out.json' could not be written: *"])
    assert result.ret == 1


def test_collecting_writes_nothing(run: Run, pytester: pytest.Pytester) -> None:
    run("--torchscript-model", "zoo:good", "--torchscript-report", "out.json", "--co")
    assert not (pytester.path / "out.json").exists()


def test_stopped_early(run: Run, pytester: pytest.Pytester) -> None:
    run("--torchscript-model", "zoo:bad", "-x", "-k", "axis or values", "--torchscript-report", "out.json")
    assert checks_of(read_report(pytester.path), "zoo:bad") == {"axis[batch]": "passed", "axis[time]": "failed"}


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
    assert checks_of(read_report(pytester.path), "zoo:good") == {"trace": "passed"}


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


def test_message_alone(run: Run) -> None:
    result = run("--torchscript-model", "zoo:bad", "-k", "time")
    text = result.stdout.str()
    for noise in (
        "outcome.py",
        "suite.py",
        "Traceback",
        "Captured",
        "traceback entries are hidden",
        "During handling",
    ):
        assert noise not in text
    result.stdout.fnmatch_lines(
        [
            "torchscript::zoo:bad: axis 'time' diverges: *",
            '    again: pytest --torchscript-model zoo:bad "torchscript::zoo:bad::test_axis[[]time]"',
            "    hint: *",
        ]
    )


def test_again_repeats_the_options(run: Run) -> None:
    args = ("--torchscript-weights", "auto", "--torchscript-axis", "batch=1:3", "--hypothesis-seed=7")
    result = run("--torchscript-model", "zoo:bad", "-k", "time", *args, "--torchscript-max-examples", "9")
    line = next(line.strip() for line in result.outlines if "again: " in line)
    assert "--torchscript-weights auto" in line
    assert "--torchscript-axis batch=1:3" in line
    assert "--torchscript-max-examples 9" in line
    assert "--hypothesis-seed=7" in line


def test_skips_point_at_the_test(run: Run, pytester: pytest.Pytester) -> None:
    result = run("--torchscript-model", "zoo:good", "-k", "tied_weights", "-rs", "--junitxml=out.xml")
    result.stdout.fnmatch_lines(["SKIPPED [[]1] torchscript::zoo:good::test_tied_weights: *"])
    ElementTree.parse(pytester.path / "out.xml")


KNOWN = """
[[known]]
model = "zoo:bad"
axis = "time"
verdict = "diverges"
reason = "fixed next week"
"""


def test_known_failure(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "known.toml").write_text(KNOWN)
    args = ("--torchscript-known-failures", "known.toml", "--torchscript-report", "out.json", "-rx")
    result = run("--torchscript-model", "zoo:bad", "-k", "axis", *args)
    result.assert_outcomes(passed=1, xfailed=1)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["XFAIL torchscript::zoo:bad::test_axis[[]time] - *known: fixed next week"])
    check = read_report(pytester.path)["models"][0]["exports"][0]["checks"][1]
    assert (check["outcome"], check["message"]) == ("skipped", "known: fixed next week")
    assert run("--torchscript-model", "zoo:bad", "-k", "axis", *args, "--runxfail").ret == 1


def test_known_failure_that_passes(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "known.toml").write_text(KNOWN.replace("zoo:bad", "zoo:good"))
    args = ("--torchscript-known-failures", "known.toml", "--torchscript-report", "out.json")
    result = run("--torchscript-model", "zoo:good", "-k", "axis", *args)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["torchscript::zoo:good: axis[[]time] passes, but is listed as a known failure: *", "    hint: *"]
    )
    assert checks_of(read_report(pytester.path), "zoo:good")["axis[time]"] == "failed"


def test_known_failure_with_another_verdict(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "known.toml").write_text(KNOWN.replace('"diverges"', '"fixed"'))
    result = run("--torchscript-model", "zoo:bad", "-k", "axis", "--torchscript-known-failures", "known.toml")
    result.assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "n2"])
def test_known_failure_that_matches_nothing(
    run_apart: Run, pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    (pytester.path / "known.toml").write_text(KNOWN.replace('axis = "time"', 'axis = "tme"'))
    args = ("--torchscript-model", "zoo:bad", "-k", "trace", "--torchscript-known-failures", "known.toml", *workers)
    result = run_apart(*args)
    assert result.ret == 0
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*[[][[]known]] number 1: model='zoo:bad' axis='tme' matches no test*"])


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "n2"])
def test_known_failure_of_no_check(run_apart: Run, pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    (pytester.path / "known.toml").write_text(
        KNOWN.replace('axis = "time"', 'check = "savelod"').replace("verdict", "# ")
    )
    args = ("--torchscript-model", "zoo:bad", "-k", "trace", "--torchscript-known-failures", "known.toml", *workers)
    assert_usage_error(run_apart(*args), "number 1: check 'savelod' does not exist", "did you mean 'save_load'?")


def test_unmatched_as_an_error(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "known.toml").write_text(KNOWN.replace('axis = "time"', 'axis = "tme"'))
    result = run("--torchscript-model", "zoo:bad", "--torchscript-known-failures", "known.toml", "-W", "error")
    assert_usage_error(result, "matches no test")


def test_unselected_is_not_unmatched(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "known.toml").write_text(KNOWN)
    args = ("--torchscript-known-failures", "known.toml")
    run("torchscript::zoo:bad::test_trace", *args).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("text", "said"), [("[known", "TOML"), ("[[known]]\nmodel = 'x'\n", "reason"), ("[[known]]\nfoo = 'x'\n", "foo")]
)
def test_known_failures_malformed(run: Run, pytester: pytest.Pytester, text: str, said: str) -> None:
    (pytester.path / "known.toml").write_text(text)
    assert_usage_error(run("--torchscript-known-failures", "known.toml"), "known.toml", said)


def test_known_failures_not_there(run: Run) -> None:
    assert_usage_error(run("--torchscript-known-failures", "known.toml"), "file 'known.toml' does not exist")


def test_summary_file_for_a_job(run: Run, pytester: pytest.Pytester, tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    run("torchscript::zoo:good::test_axis", "--torchscript-report", os.fspath(path)).assert_outcomes(passed=2)
    assert "zoo:good" in path.read_text(encoding="utf-8")
