"""The backend of docs/backends.md, as it stands there, in a folder that holds nothing else than its conftest.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from plugin_runs import Run, assert_usage_error, read_report

DOCS = Path(__file__).parents[2] / "docs" / "backends.md"
CHOSEN = ("--torchscript-backend", "wide", "--torchscript-report", "out.json")


@pytest.fixture
def conftest(pytester: pytest.Pytester) -> None:
    found = re.search(r"^```python\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None
    assert len([line for line in found.group(1).splitlines() if line.strip()]) <= 40
    pytester.makeconftest(found.group(1))


@pytest.mark.usefixtures("conftest")
def test_other_last_bits_pass(run: Run, pytester: pytest.Pytester) -> None:
    result = run("--torchscript-model", "zoo:good", *CHOSEN)
    assert result.ret == 0
    export = read_report(pytester.path)["models"][0]["exports"][0]
    assert {check["outcome"] for check in export["checks"]} == {"passed", "skipped"}
    assert {axis["verdict"] for axis in export["axes"]} == {"dynamic"}
    assert export["device"] == {"arithmetic": "float64"}


@pytest.mark.usefixtures("conftest")
def test_an_unsound_model_fails_with_its_line(run: Run, pytester: pytest.Pytester) -> None:
    run("--torchscript-model", "zoo:bad", *CHOSEN, "-k", "axis").assert_outcomes(passed=1, failed=1)
    (axis,) = (axis for axis in read_report(pytester.path)["models"][0]["exports"][0]["axes"] if axis["axis"] == "time")
    assert axis["verdict"] == "diverges"
    assert axis["causes"][0]["file"].endswith("zoo.py")


@pytest.mark.usefixtures("conftest")
@pytest.mark.parametrize("model", ["good", "bad"])
def test_an_outage_is_an_error_and_no_verdict(run: Run, pytester: pytest.Pytester, model: str) -> None:
    result = run("--torchscript-model", f"zoo:{model}", *CHOSEN, "--torchscript-option", "wide.outage=7")
    assert result.ret == 1
    export = read_report(pytester.path)["models"][0]["exports"][0]
    errors = [check for check in export["checks"] if check["outcome"] == "error"]
    assert errors
    assert all("the server answered 503" in check["message"] for check in errors)
    assert not [check for check in export["checks"] if check["outcome"] == "failed"]
    axes = {axis["axis"]: axis for axis in export["axes"]}
    for name in [check["name"][5:-1] for check in errors if check["name"].startswith("axis[")]:
        assert (axes[name]["verdict"], axes[name]["reason"]) == ("untested", "the server answered 503")
    assert not {axis["verdict"] for axis in export["axes"]} & {"fixed", "diverges"}
    skipped = [check for check in export["checks"] if check["outcome"] == "skipped"]
    assert any("the server answered 503" in check["message"] for check in skipped)
    assert len(errors) == 2  # two in a row; the rest is not asked


@pytest.mark.usefixtures("conftest")
def test_its_option_is_typed(run: Run) -> None:
    given = ("--torchscript-model", "zoo:good", "--torchscript-option")
    assert_usage_error(run(*given, "wide.outage=often"), "wide option outage='often' is not a number")
    assert_usage_error(run(*given, "wide.outrage=7"), "wide option 'outrage' does not exist", "did you mean 'outage'?")
