"""When the journal is written, and whether a run was cut short."""

from __future__ import annotations

import json
import os

import pytest
from plugin_runs import Run, checks_of, read_report

from pytest_torchscript.plugin.reports import _interrupt


def test_the_journal_has_every_finished_test(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import json
        import pathlib

        def pytest_runtest_setup(item):
            report = json.loads(pathlib.Path("out.json").read_text(encoding="utf-8"))
            checks = [check for model in report["models"] for check in model["exports"][0]["checks"]]
            with open("seen.txt", "a") as file:
                print(report["complete"], len(checks), file=file)
        """
    )
    run("torchscript::zoo:good::test_axis", "--torchscript-report", "out.json").assert_outcomes(passed=2)
    assert (pytester.path / "seen.txt").read_text().splitlines() == ["False 0", "False 1"]
    assert read_report(pytester.path)["complete"] is True


def test_the_journal_is_the_record_though_only_what_changed_is_made_anew(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pathlib
        import pytest_torchscript.report.json_report as made

        model_text = made.model_text
        texts = []
        made.model_text = lambda model: texts.append(model.model) or model_text(model)

        def pytest_unconfigure(config):
            pathlib.Path("texts.txt").write_text("\\n".join(texts))
            made.model_text = model_text

        def pytest_torchscript_report(config, report):
            pathlib.Path("journal.json").write_bytes(pathlib.Path("out.json").read_bytes())
        """
    )
    models = ("--torchscript-model=zoo:good", "--torchscript-model=zoo:bad")
    run(*models, "-k", "trace or outputs or time", "--torchscript-report=out.json")
    assert (pytester.path / "texts.txt").read_text().splitlines() == ["zoo:good"] * 3 + ["zoo:bad"] * 3
    journal, report = (read_report(pytester.path, name) for name in ("journal.json", "out.json"))
    assert (journal.pop("complete"), report.pop("complete")) == (False, True)
    assert journal == report


def test_a_run_without_reports_writes_none(run: Run, pytester: pytest.Pytester) -> None:
    run("torchscript::zoo:good::test_trace").assert_outcomes(passed=1)
    assert list(pytester.path.glob("*.json")) == []


def test_stopping_after_the_last_test_cuts_nothing_short(run: Run, pytester: pytest.Pytester) -> None:
    run("torchscript::zoo:bad::test_axis[time]", "-x", "--torchscript-report", "out.json")
    report = read_report(pytester.path)
    assert (report["complete"], checks_of(report, "zoo:bad")) == (True, {"axis[time]": "failed"})


def test_sigterm_ends_a_run_as_ctrl_c_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(KeyboardInterrupt, match="SIGTERM"):
        _interrupt()


def test_a_disk_that_is_full_keeps_what_was_found_before(run: Run, pytester: pytest.Pytester) -> None:
    pytest.importorskip("resource", reason="limits of POSIX stand for a disk")
    pytester.makeconftest(
        """
        import resource

        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

        def pytest_runtest_setup(item):
            if item.name == "test_axis[time]":
                resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))

        def pytest_unconfigure():
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        """
    )
    result = run("torchscript::zoo:good::test_axis", "--torchscript-report=out.json", "--torchscript-report=out.md")
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    report = read_report(pytester.path)
    assert (report["complete"], checks_of(report, "zoo:good")) == (False, {"axis[batch]": "passed"})
    result.stdout.fnmatch_lines(
        ["report: *out.md", "report '*out.json' could not be written: OSError: * File too large"]
    )
    assert sorted(path.name for path in pytester.path.glob("*out.*")) == ["out.json", "out.md"]


def test_a_folder_that_is_gone_in_mid_run(run: Run, pytester: pytest.Pytester) -> None:
    pytester.mkdir("out")
    pytester.makeconftest(
        """
        import os

        def pytest_runtest_setup(item):
            if item.name == "test_axis[time]":
                os.rename("out", "before")
                open("out", "w").close()
        """
    )
    names = ("out/a.json", "out/b.md", "c.json")
    result = run("torchscript::zoo:good::test_axis", *(f"--torchscript-report={name}" for name in names))
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    told = [line for line in result.outlines if line.startswith("report")]
    assert [line.partition(": ")[0].rpartition(os.sep)[2] for line in told] == [
        "report",
        "a.json' could not be written",
        "b.md' could not be written",
    ]
    report = json.loads((pytester.path / "before" / "a.json").read_text(encoding="utf-8"))
    assert (report["complete"], checks_of(report, "zoo:good")) == (False, {"axis[batch]": "passed"})
    assert json.loads((pytester.path / "c.json").read_text(encoding="utf-8"))["complete"] is True
