"""The suite behaves as any test under pytest's own ways to select, order and stop."""

from __future__ import annotations

import pytest
from plugin_runs import Run, names

OWN = """
def test_mine():
    assert True


def test_wrong():
    assert False
"""


def test_ids_and_count(suite: Run) -> None:
    result = suite("good", "--co", "-q")
    assert "torchscript::zoo:good::test_axis[time]" in names(result)
    assert "torchscript::zoo:good::test_trace" in names(result)
    assert f"{len(names(result))} tests collected" in result.stdout.str()
    assert not any("test_speed" in name or "test_neuron" in name or "test_model" in name for name in names(result))


def test_tree(suite: Run) -> None:
    suite("good", "--co").stdout.fnmatch_lines(["<TorchScriptModel zoo:good>", "  <Function test_axis[[]time]>"])


def test_next_to_own_tests(suite: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own=OWN)
    result = suite("good", "-k", "mine or trace")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["collected * items / * deselected / 2 selected"])


def test_marker_selects(suite: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own=OWN)
    assert all(name.startswith("torchscript::") for name in names(suite("good", "-m", "torchscript", "--co", "-q")))
    assert names(suite("good", "-m", "not torchscript", "--co", "-q")) == [
        "test_own.py::test_mine",
        "test_own.py::test_wrong",
    ]


def test_keyword_matches_reference(run: Run) -> None:
    result = run(
        "--torchscript-model", "zoo:good", "--torchscript-model", "zoo:bad", "-k", "bad and trace", "--co", "-q"
    )
    assert names(result) == ["torchscript::zoo:bad::test_trace"]


@pytest.mark.parametrize("flag", ["--lf", "--ff"])
def test_last_failed(suite: Run, pytester: pytest.Pytester, flag: str) -> None:
    pytester.makepyfile(test_own=OWN)
    suite("bad", "-k", "time or trace or wrong or mine").assert_outcomes(passed=2, failed=2)
    result = suite("bad", flag, "-k", "time or trace or wrong or mine", "-v")
    if flag == "--lf":
        result.stdout.fnmatch_lines(["*rerun previous 2 failures*"])
        result.assert_outcomes(failed=2)
    else:
        failed_first = [line.split("::")[-1].split()[0] for line in result.outlines if "%]" in line]
        assert set(failed_first[:2]) == {"test_axis[time]", "test_wrong"}


def test_new_first(suite: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own=OWN)
    assert suite("good", "--nf", "-k", "trace or mine").ret == 0


def test_exit_first(suite: Run) -> None:
    result = suite("bad", "-x", "-k", "trace or axis or values")
    result.assert_outcomes(passed=2, failed=1)


def test_stepwise(suite: Run) -> None:
    suite("bad", "--sw", "-k", "axis or values").assert_outcomes(passed=1, failed=1)
    result = suite("bad", "--sw", "-k", "axis or values")
    result.stdout.fnmatch_lines(["stepwise: skipping 5 already passed items*"])


def test_deselect(suite: Run) -> None:
    result = suite("good", "--deselect", "torchscript::zoo:good::test_axis[time]", "--co", "-q")
    assert "torchscript::zoo:good::test_axis[batch]" in names(result)
    assert "torchscript::zoo:good::test_axis[time]" not in names(result)


def test_deselect_beside_its_own_id(run: Run) -> None:
    whole = "torchscript::zoo:good"
    result = run("--deselect", f"{whole}::test_trace", f"{whole}::test_trace", f"{whole}::test_axis", "--co", "-q")
    assert names(result) == [f"{whole}::test_axis[batch]", f"{whole}::test_axis[time]"]


def test_junit_classname(suite: Run, pytester: pytest.Pytester) -> None:
    suite("bad", "-k", "axis", "--junitxml", "out.xml").assert_outcomes(passed=1, failed=1)
    text = (pytester.path / "out.xml").read_text()
    assert 'classname="torchscript.zoo:bad" name="test_axis[time]"' in text
    assert '<property name="torchscript_model" value="zoo:bad"' in text
    assert '<property name="torchscript_axis" value="time"' in text
    assert '<property name="torchscript_verdict" value="diverges"' in text
    assert "tried_at" not in text  # the record travels on the report object


@pytest.mark.parametrize(
    "args",
    [
        ("-p", "no:cacheprovider"),
        ("--import-mode=importlib",),
        ("--strict-markers",),
        ("-W", "error"),
        ("--setup-show",),
    ],
    ids=lambda args: args[-1],
)
def test_beside_options(suite: Run, args: tuple[str, ...]) -> None:
    suite("good", "-k", "trace or axis", *args).assert_outcomes(passed=3)


def test_python_functions_of_the_user(suite: Run, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\npython_functions = check_*\npython_files = nothing.py\n")
    suite("good", "-k", "trace").assert_outcomes(passed=1)


def test_empty_folder(suite: Run, pytester: pytest.Pytester) -> None:
    folder = pytester.mkdir("empty")
    pytester.syspathinsert()
    result = suite("good", "-k", "trace", f"--rootdir={folder}", str(folder))
    result.assert_outcomes(passed=1)
    assert result.ret == 0


def test_own_files_bring_a_given_model(suite: Run, pytester: pytest.Pytester) -> None:
    own = pytester.makepyfile(test_own=OWN)
    assert "torchscript::zoo:good::test_trace" in names(suite("good", str(own), "--co", "-q"))
    assert names(suite("good", f"{own}::test_mine", "--co", "-q")) == ["test_own.py::test_mine"]


def test_own_files_leave_a_model_of_the_ini_out(run: Run, pytester: pytest.Pytester) -> None:
    own = pytester.makepyfile(test_own=OWN)
    pytester.makeini("[pytest]\ntorchscript_models = zoo:good\n")
    assert len(names(run(str(own), "--co", "-q"))) == 2
    assert {"torchscript::zoo:good::test_trace", "test_own.py::test_mine"} < set(names(run("--co", "-q")))


def test_factory_is_called_once(suite: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own="import zoo\n\ndef test_calls():\n    assert zoo.CALLS == ['good']\n")
    suite("good", "-k", "trace or axis or calls").assert_outcomes(passed=4)


def test_no_axes(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        rigid="""
        import torch
        from zoo import Good
        from pytest_torchscript import TensorSpec

        def rigid():
            return Good().eval(), {"x": TensorSpec(2, 3, 4)}
    """
    )
    result = run("--torchscript-model", "rigid:rigid", "-k", "trace or axis")
    result.assert_outcomes(passed=1)


def test_hooks_of_the_rootdir_apply(suite: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        import pytest

        def pytest_collection_modifyitems(items):
            for item in items:
                if item.name == "test_axis[time]":
                    item.add_marker(pytest.mark.xfail(reason="later", strict=True))

        @pytest.fixture(autouse=True)
        def seen(request):
            print("autouse for", request.node.name)
    """)
    suite("bad", "-k", "axis", "-s").stdout.fnmatch_lines(["*autouse for test_axis*batch*", "*1 passed*1 xfailed*"])


@pytest.mark.parametrize("options", [(), ("-s",)], ids=["captured", "-s"])
def test_what_a_model_prints_while_it_is_planned(run: Run, pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    pytester.makepyfile(
        loud="""
        import torch
        from pytest_torchscript import TensorSpec

        def printing():
            print("it is made")
            return torch.nn.Linear(4, 2).eval(), {"x": TensorSpec("batch", 4)}
        """
    )
    result = run("torchscript::loud:printing::test_trace", *options)
    result.assert_outcomes(passed=1)
    assert ("it is made" in result.stdout.str()) is bool(options)
