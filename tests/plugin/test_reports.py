"""When the journal is written, and whether a run was cut short."""

from __future__ import annotations

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
