"""Node ids of the suite on the command line."""

from __future__ import annotations

import pytest
from plugin_runs import Run, assert_usage_error, names

from pytest_torchscript.plugin.ids import SuiteId, parse_suite_id

AXIS = "torchscript::zoo:good::test_axis[time]"
OWN = "def test_mine():\n    pass\n"


@pytest.mark.parametrize(
    ("text", "reference", "test"),
    [
        ("torchscript::bert-base-uncased", "bert-base-uncased", ""),
        (
            "torchscript::funnel-transformer/small::test_axis[sequence]",
            "funnel-transformer/small",
            "test_axis[sequence]",
        ),
        ("torchscript::package.module:factory::test_trace", "package.module:factory", "test_trace"),
        ("torchscript::./model[1]::test_axis[time-onnx]", "./model[1]", "test_axis[time-onnx]"),
        ("torchscript::C:\\models\\bert::test_trace", "C:\\models\\bert", "test_trace"),
        ("../torchscript::bert::test_trace", "bert", "test_trace"),
        ("torchscript::conftest::test_axis", "conftest", "test_axis"),
        ("torchscript::bert::", "bert", ""),
        ("torchscript::zoo:make('a::test_b')::test_axis[time]", "zoo:make('a::test_b')", "test_axis[time]"),
    ],
)
def test_parse(text: str, reference: str, test: str) -> None:
    assert parse_suite_id(text) == SuiteId(reference, test)


@pytest.mark.parametrize(
    "text", ["tests/test_torchscript.py::test_x", "torchscript", "torchscript::", "xtorchscript::a"]
)
def test_parse_others(text: str) -> None:
    assert parse_suite_id(text) is None


def test_one_test(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own=OWN)
    result = run(AXIS, "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["torchscript::zoo:good::test_axis[[]time] PASSED*", "*1 passed in*"])


def test_with_its_model_named_too(run: Run) -> None:
    run(AXIS, "--torchscript-model", "zoo:good").assert_outcomes(passed=1)


def test_other_models_stay_out(run: Run) -> None:
    result = run("torchscript::zoo:good::test_trace", "--torchscript-model", "zoo:bad", "--co", "-q")
    assert names(result) == ["torchscript::zoo:good::test_trace"]


def test_without_brackets(run: Run) -> None:
    result = run("torchscript::zoo:good::test_axis", "--co", "-q")
    assert names(result) == ["torchscript::zoo:good::test_axis[batch]", AXIS]


def test_whole_suite(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own=OWN)
    result = run("torchscript::zoo:good", "--co", "-q")
    assert {"torchscript::zoo:good::test_trace", AXIS, "torchscript::zoo:good::test_freeze"} <= set(names(result))
    assert all(name.startswith("torchscript::zoo:good::") for name in names(result))


def test_several(run: Run) -> None:
    result = run("torchscript::zoo:bad::test_trace", AXIS, "torchscript::zoo:good::test_trace", "--co", "-q")
    assert names(result) == [
        "torchscript::zoo:bad::test_trace",
        "torchscript::zoo:good::test_trace",
        AXIS,
    ]


def test_beside_own_files(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own=OWN)
    assert names(run("test_own.py", AXIS, "--co", "-q")) == ["test_own.py::test_mine", AXIS]


def test_reported_id_can_be_given(run: Run) -> None:
    failed = run("--torchscript-model", "zoo:bad", "-k", "time", "-rf")
    line = next(line for line in failed.outlines if line.startswith("FAILED "))
    run(line.split()[1]).assert_outcomes(failed=1)


def test_testpaths_stay_out(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ntestpaths = tests\n")
    pytester.mkdir("tests").joinpath("test_own.py").write_text(OWN)
    assert names(run(AXIS, "--co", "-q")) == [AXIS]


def test_from_a_file(run: Run, pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("ids.txt").write_text(f"{AXIS}\ntorchscript::zoo:bad::test_trace\n")
    assert len(names(run("@ids.txt", "--co", "-q"))) == 2


def test_unknown_test(run: Run) -> None:
    result = run("torchscript::zoo:good::test_axis[tme]")
    assert_usage_error(result, "not found: torchscript::zoo:good::test_axis[tme]", "did you mean 'test_axis[time]'?")


def test_unknown_beside_known(run: Run) -> None:
    assert_usage_error(
        run(AXIS, "torchscript::zoo:good::test_nothing"), "not found: torchscript::zoo:good::test_nothing"
    )


def test_no_model(run: Run) -> None:
    assert_usage_error(run("torchscript::"), "torchscript:: names no model")


def test_no_override(run: Run) -> None:
    assert_usage_error(run("torchscript::conftest"), "not found: torchscript::conftest", "override the fixture")


def test_reference_with_slashes_and_brackets(run: Run, pytester: pytest.Pytester) -> None:
    folder = pytester.mkdir("models[1]").joinpath("empty")
    folder.mkdir()
    reference = "./models[1]/empty"
    run("--torchscript-model", reference, "-v").assert_outcomes(failed=1)
    result = run(f"torchscript::{reference}::test_model", "-v")
    result.assert_outcomes(failed=1)
    assert f"torchscript::{reference}::test_model FAILED" in result.stdout.str()
    again = run("--torchscript-model", reference, "--torchscript-model", "zoo:good", "--lf", "-k", "model or trace")
    again.stdout.fnmatch_lines(["*rerun previous 1 failure*"])
    again.assert_outcomes(failed=1)


def test_unresolved_reference(run: Run) -> None:
    result = run("--torchscript-model", "zoo:missing", "--torchscript-model", "zoo:good", "-k", "model or trace", "-v")
    result.assert_outcomes(failed=1, passed=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["torchscript::zoo:missing::test_model FAILED*", "torchscript::zoo:missing: *", "    hint: *"]
    )
    assert "Traceback" not in result.stdout.str()


def test_unresolved_by_an_id_of_another_test(run: Run) -> None:
    run("torchscript::zoo:missing::test_axis[time]").assert_outcomes(failed=1)


def test_factory_that_raises(run: Run) -> None:
    result = run("--torchscript-model", "zoo:broken")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*out of cheese*"])
    assert "INTERNALERROR" not in result.stdout.str()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("import pytest; pytest.skip('not here')", "not here"),
        ("import pytest; pytest.fail('not now')", "not now"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("return 42", "int"),
        ("return None", "None"),
    ],
)
def test_factory_that_makes_no_model(run: Run, pytester: pytest.Pytester, body: str, said: str) -> None:
    pytester.makepyfile(odd=f"def make():\n    {body}\n")
    result = run("--torchscript-model", "odd:make", "--torchscript-model", "zoo:good", "-k", "model or trace")
    result.assert_outcomes(failed=1, passed=1)
    text = result.stdout.str()
    assert said in text
    assert "INTERNALERROR" not in text
    result.stdout.fnmatch_lines(["torchscript::odd:make: *", "    hint: *"])


def test_fault_of_ours(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw is a failing test of that model, and nothing else."""

    def make_plan(*args: object, **kwargs: object) -> None:
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr("pytest_torchscript.checks.make_plan", make_plan)
    result = run("--torchscript-model", "zoo:good")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["torchscript::zoo:good: RuntimeError: nobody foresaw this", "    at *test_ids.py:*", "    hint: *"]
    )
