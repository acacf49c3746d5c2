"""Under pytest-xdist: one model on one worker, complete reports, and a worker that dies."""

from __future__ import annotations

import json

import pytest
from plugin_runs import Run, assert_usage_error, checks_of, names, read_report

pytest.importorskip("xdist")

WHERE = """
import os, pytest

@pytest.hookimpl(trylast=True)
def pytest_runtest_setup(item):
    where = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    with open(os.path.join(os.path.dirname(__file__), "where.txt"), "a") as out:
        out.write(f"{item.nodeid} {where}\\n")
"""


def where(pytester: pytest.Pytester) -> dict[str, str]:
    """Return the worker of each test."""
    lines = (pytester.path / "where.txt").read_text().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines)


def test_one_model_on_one_worker(run_apart: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(WHERE)
    pytester.makepyfile(
        test_own="""
        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_mine(number):
            pass

        def test_on_a_model(torchscript_eager):
            pass
        """
    )
    models = ("--torchscript-model", "zoo:good", "--torchscript-model", "zoo:bad")
    result = run_apart(*models, "-k", "trace or outputs or batch or mine or on_a_model", "-n", "2")
    result.assert_outcomes(passed=12)
    workers = where(pytester)
    for reference in ("zoo:good", "zoo:bad"):
        used = {worker for nodeid, worker in workers.items() if nodeid.startswith(f"torchscript::{reference}::")}
        assert len(used) == 1, workers
        assert workers[f"test_own.py::test_on_a_model[{reference}]"] in used


def test_worker_that_dies(run_apart: Run, pytester: pytest.Pytester) -> None:
    models = ("--torchscript-model", "zoo:deadly", "--torchscript-model", "zoo:good")
    args = ("-k", "trace or determinism or axis", "-n", "2", "--torchscript-report", "out.json")
    result = run_apart(*models, *args)
    assert result.ret == 1
    report = read_report(pytester.path)
    assert set(checks_of(report, "zoo:good").values()) == {"passed"}
    dead = {check["name"]: check for check in report["models"][0]["exports"][0]["checks"]}
    assert list(dead) == ["trace", "determinism", "axis[batch]", "axis[time]"]
    assert dead["trace"]["outcome"] == "error"
    assert "crashed while running" in dead["trace"]["message"]
    assert dead["determinism"]["outcome"] == "passed"
    result.stdout.fnmatch_lines(["*worker 'gw*' crashed while running 'torchscript::zoo:deadly::test_trace'*"])
    assert "INTERNALERROR" not in result.stdout.str()


def test_workers_that_die_at_once_are_replaced(run_apart: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(more="from zoo import deadly as deadlier")
    models = [f"--torchscript-model={name}" for name in ("zoo:deadly", "more:deadlier", "zoo:good")]
    result = run_apart(*models, "-k", "trace or outputs", "-n", "2")
    result.assert_outcomes(passed=2, failed=4)
    assert "INTERNALERROR" not in result.stdout.str()


def test_crash_in_an_own_test_beside(run_apart: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own="import os\n\ndef test_die():\n    os._exit(3)\n\ndef test_live():\n    pass\n")
    result = run_apart("--torchscript-model", "zoo:good", "-k", "trace or die or live", "-n", "2")
    result.assert_outcomes(passed=2, failed=1)


def test_usage_errors_end_the_run(run_apart: Run) -> None:
    assert_usage_error(run_apart("--torchscript-model", "zoo:good", "--torchscript-axis", "tme=4", "-n", "2"), "'tme'")
    assert_usage_error(run_apart("torchscript::zoo:good::test_nothing", "-n", "2"), "not found")


def test_override_elsewhere(run_apart: Run, pytester: pytest.Pytester) -> None:
    pytester.mkdir("tests").joinpath("conftest.py").write_text(
        "import pytest\n\n@pytest.fixture\ndef torchscript_model():\n    pass\n"
    )
    result = run_apart("-n", "2", "tests")
    assert "overridden in" in result.stderr.str() + result.stdout.str()
    assert result.ret != 0


def test_override(run_apart: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "import pytest\nfrom zoo import bad\n\n@pytest.fixture\ndef torchscript_model():\n    return bad()\n"
    )
    result = run_apart("-n", "2", "-k", "axis or trace", "--torchscript-report", "out.json")
    result.assert_outcomes(passed=1, failed=1)
    assert checks_of(read_report(pytester.path), "conftest") == {"trace": "passed", "axis": "failed"}


def test_no_xdist(run: Run) -> None:
    found = names(run("--torchscript-model", "zoo:good", "-p", "no:xdist", "--co", "-q"))
    assert "torchscript::zoo:good::test_trace" in found


def test_the_longest_model_is_handed_out_first(run_apart: Run, pytester: pytest.Pytester) -> None:
    seconds = {f"torchscript::zoo:{name}::test_trace": took for name, took in (("good", 1), ("bad", 3))}
    folder = pytester.path / ".pytest_cache" / "v" / "torchscript"
    folder.mkdir(parents=True)
    (folder / "seconds").write_text(json.dumps(seconds))
    pytester.makeconftest(WHERE)
    models = [item for name in ("good", "bad") for item in ("--torchscript-model", f"zoo:{name}")]
    run_apart(*models, "-k", "trace", "-n", "1", "-p", "cacheprovider").assert_outcomes(passed=2)
    assert [nodeid.split("::")[1] for nodeid in where(pytester)] == ["zoo:bad", "zoo:good"]
