"""--torchscript-known-failures."""

from __future__ import annotations

import pytest
from plugin_runs import Run, assert_usage_error, checks_of, read_report

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


def test_an_axis_declared_fixed_contradicts_no_entry(run: Run, pytester: pytest.Pytester) -> None:
    """No size of it was tried: that says nothing of what is known."""
    (pytester.path / "known.toml").write_text(KNOWN)
    args = ("--torchscript-known-failures", "known.toml", "--torchscript-axis", "time=4", "-W", "error")
    result = run("--torchscript-model", "zoo:bad", "-k", "axis", *args)
    result.assert_outcomes(passed=2)


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
