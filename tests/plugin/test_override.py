"""The fixture torchscript_model, overridden in a repository's conftest.py."""

from __future__ import annotations

import pytest
from plugin_runs import Run, assert_usage_error, checks_of, names, read_report

PLAIN = """
import pytest
from zoo import Bad, Good, INPUTS, CALLS

@pytest.fixture
def torchscript_model():
    CALLS.append("override")
    return {model}().eval(), INPUTS
"""


def test_suite(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(PLAIN.format(model="Good"))
    result = run("--co", "-q")
    assert {f"torchscript::conftest::test_{name}" for name in ("trace", "axis", "freeze")} <= set(names(result))


@pytest.mark.parametrize("scope", ["", "(scope='module')", "(scope='session')"])
def test_scopes(run: Run, pytester: pytest.Pytester, scope: str) -> None:
    pytester.makeconftest(PLAIN.format(model="Good").replace("@pytest.fixture", f"@pytest.fixture{scope}"))
    run("-k", "trace or axis or outputs").assert_outcomes(passed=3)


def test_axes_are_sub_results(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(PLAIN.format(model="Bad"))
    result = run("-k", "axis", "--torchscript-report", "out.json")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "torchscript::conftest: axis 'time' diverges: *",
            '    again: pytest "torchscript::conftest::test_axis"',
            "    hint: *",
        ]
    )
    report = read_report(pytester.path)
    assert checks_of(report, "conftest") == {"axis": "failed"}
    axes = {axis["axis"]: axis["verdict"] for axis in report["models"][0]["exports"][0]["axes"]}
    assert axes == {"batch": "dynamic", "time": "diverges"}


def test_header_and_id(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(PLAIN.format(model="Good"))
    result = run("torchscript::conftest::test_axis", "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["torchscript: conftest | torch *", "torchscript::conftest::test_axis PASSED*"])


def test_unknown_id(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(PLAIN.format(model="Good"))
    assert_usage_error(run("torchscript::conftest::test_axes"), "not found", "did you mean 'test_axis'?")


def test_reference(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import pytest\n\n@pytest.fixture\ndef torchscript_model():\n    return 'zoo:good'\n")
    run("-k", "trace").assert_outcomes(passed=1)


def test_asked_for_once(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(PLAIN.format(model="Good"))
    pytester.makepyfile(test_zzz="from zoo import CALLS\n\ndef test_calls():\n    assert CALLS == []\n")
    result = run("-k", "trace or axis or calls", "-s")
    result.assert_outcomes(passed=3)


def test_other_fixtures(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        import pytest
        from zoo import Good, INPUTS

        @pytest.fixture(scope="session")
        def weights():
            return Good().eval()

        @pytest.fixture(name="torchscript_model")
        def my_model(weights, tmp_path):
            return weights, INPUTS
    """)
    run("-k", "trace").assert_outcomes(passed=1)


def test_params(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        import pytest
        from zoo import Bad, Good, INPUTS

        @pytest.fixture(params=[Good, Bad], ids=["good", "bad"])
        def torchscript_model(request):
            return request.param().eval(), INPUTS
    """)
    result = run("-k", "axis", "-v")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["torchscript::conftest::test_axis[[]good] PASSED*", "*test_axis[[]bad] FAILED*"])


def test_raises(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "import pytest\n\n@pytest.fixture\ndef torchscript_model():\n    raise ValueError('no cheese')\n"
    )
    result = run("-k", "trace")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ValueError: no cheese*"])


def test_no_model(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import pytest\n\n@pytest.fixture\ndef torchscript_model():\n    return 42\n")
    result = run("-k", "trace or outputs", "-rs")
    result.assert_outcomes(failed=1, skipped=1)
    result.stdout.fnmatch_lines(["torchscript::conftest: int is not a model", "    hint: give an nn.Module*"])
    result.stdout.fnmatch_lines(["*torchscript::conftest could not be loaded: see torchscript::conftest::test_trace*"])


def test_given_model_replaces_the_suite(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(PLAIN.format(model="Bad"))
    found = names(run("--torchscript-model", "zoo:good", "--co", "-q"))
    assert not [name for name in found if "conftest" in name]


def test_named_files_leave_it_out(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(PLAIN.format(model="Good"))
    pytester.makepyfile(test_own="def test_mine():\n    pass\n")
    assert names(run("test_own.py", "--co", "-q")) == ["test_own.py::test_mine"]
    beside = names(run(".", "--co", "-q"))
    assert {"test_own.py::test_mine", "torchscript::conftest::test_trace"} < set(beside)


def test_elsewhere(run: Run, pytester: pytest.Pytester) -> None:
    pytester.syspathinsert()
    folder = pytester.mkdir("tests")
    folder.joinpath("conftest.py").write_text(PLAIN.format(model="Good"))
    folder.joinpath("test_own.py").write_text("def test_mine():\n    pass\n")
    result = run()
    assert_usage_error(
        result, "'torchscript_model' is overridden in", "tests", "rootdir's conftest.py", "move it there"
    )
    run("--torchscript-model", "zoo:good", "-k", "trace or mine").assert_outcomes(passed=2)
    run("tests/test_own.py").assert_outcomes(passed=1)


def test_elsewhere_beside_the_root(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(PLAIN.format(model="Good"))
    pytester.mkdir("tests").joinpath("conftest.py").write_text(PLAIN.format(model="Good"))
    run("-k", "trace").assert_outcomes(passed=1)


def test_own_module_only(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own=PLAIN.format(model="Good") + "\ndef test_mine(torchscript_traced):\n    assert torchscript_traced\n"
    )
    run().assert_outcomes(passed=1)


def test_unknown_axis(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(PLAIN.format(model="Good"))
    result = run("-k", "trace or outputs", "--torchscript-axis", "tme=4")
    result.assert_outcomes(failed=1, skipped=1)
    result.stdout.fnmatch_lines(["torchscript::conftest: axis 'tme' does not exist", "    hint: did you mean 'time'?*"])
