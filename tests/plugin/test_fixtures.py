"""The fixtures in users' own tests."""

from __future__ import annotations

import pytest
from plugin_runs import Run, checks_of, names, read_report

PIECES = """
import pytest, torch
from zoo import Bad, Good, INPUTS, bad, good


def agrees(traced, eager, inputs):
    return torch.equal(traced(*inputs.values())[0], eager(inputs))


@pytest.mark.torchscript(model=good)
def test_pieces(torchscript_model, torchscript_traced, torchscript_eager, torchscript_inputs):
    assert isinstance(torchscript_model, Good)
    assert not torchscript_model.training
    assert agrees(torchscript_traced, torchscript_eager, torchscript_inputs)
"""


def test_pieces(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own=PIECES)
    result = run("--torchscript-report", "out.json", "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["test_own.py::test_pieces PASSED*"])
    model = read_report(pytester.path)["models"][0]
    assert model["model"] == "test_own.py::test_pieces"
    assert model["class"] == "Good"
    assert checks_of({"models": [model]}, model["model"]) == {"pieces": "passed"}


@pytest.mark.parametrize(
    "model",
    ["Good", "Good()", "good", "(Good(), INPUTS)", "'zoo:good'", "lambda: (Good(), INPUTS)"],
)
def test_marker_model(run: Run, pytester: pytest.Pytester, model: str) -> None:
    pytester.makepyfile(
        test_own=f"""
        import pytest
        from zoo import Good, INPUTS, good

        @pytest.mark.torchscript(model={model}, inputs=INPUTS)
        def test_shape(torchscript_eager, torchscript_inputs):
            assert torchscript_eager(torchscript_inputs).shape[-1] == 4
        """
    )
    run().assert_outcomes(passed=1)


def test_each_test_has_its_own_model(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own="""
        import pytest
        from zoo import Bad, Good, bad, good

        @pytest.mark.torchscript(model=good)
        def test_one(torchscript_model):
            assert type(torchscript_model) is Good

        @pytest.mark.torchscript(model=bad)
        def test_two(torchscript_model):
            assert type(torchscript_model) is Bad

        @pytest.mark.torchscript(model=good)
        class TestThree:
            def test_inherited(self, torchscript_model):
                assert type(torchscript_model) is Good

            @pytest.mark.torchscript(model=bad)
            def test_closer(self, torchscript_model):
                assert type(torchscript_model) is Bad
        """
    )
    run().assert_outcomes(passed=4)


def test_one_load_for_one_marker(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own="""
        import pytest, zoo

        pytestmark = pytest.mark.torchscript(model=zoo.good)

        def test_one(torchscript_eager):
            assert zoo.CALLS == ["good"]

        def test_two(torchscript_traced):
            assert zoo.CALLS == ["good"]
        """
    )
    run().assert_outcomes(passed=2)


def test_given(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own="""
        import pytest, torch
        from hypothesis import given, settings, strategies as st
        from zoo import good, INPUTS

        @settings(max_examples=5, deadline=None)
        @pytest.mark.torchscript(model=good)
        @given(time=st.integers(1, 5))
        def test_property(torchscript, torchscript_model, torchscript_traced, torchscript_eager, torchscript_inputs, time):
            x = torch.ones(1, time, 4)
            assert torch.equal(torchscript_traced(x)[0], torchscript_eager({"x": x}))
        """
    )
    run().assert_outcomes(passed=1)


def test_given_with_a_plain_override(run: Run, pytester: pytest.Pytester) -> None:
    """Hypothesis refuses fixtures of function scope; an override of that scope must not make ours refused."""
    pytester.makeconftest(
        """
        import pytest
        from zoo import good

        @pytest.fixture
        def torchscript_model(tmp_path):
            return good()
        """
    )
    pytester.makepyfile(
        test_own="""
        from hypothesis import given, settings, strategies as st

        @settings(max_examples=3, deadline=None)
        @given(seed=st.integers(1, 5))
        def test_property(torchscript_traced, torchscript_inputs, seed):
            assert torchscript_traced(*torchscript_inputs.values())

        def test_other(torchscript_traced):
            assert torchscript_traced
        """
    )
    run("test_own.py").assert_outcomes(passed=2)


def test_command_line_models(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own="def test_mine(torchscript_eager, torchscript_inputs):\n    torchscript_eager(torchscript_inputs)\n"
    )
    models = ("--torchscript-model", "zoo:good", "--torchscript-model", "zoo:bad")
    found = names(run(*models, "-k", "mine", "--co", "-q"))
    assert found == ["test_own.py::test_mine[zoo:good]", "test_own.py::test_mine[zoo:bad]"]
    run(*models, "-k", "mine").assert_outcomes(passed=2)


def test_suite_and_own_tests_share_a_load(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own="""
        import zoo

        def test_mine(torchscript_traced):
            assert zoo.CALLS == ["good"]

        def test_last():
            assert zoo.CALLS == ["good"]
        """
    )
    run("--torchscript-model", "zoo:good", "-k", "mine or last or trace").assert_outcomes(passed=3)


def test_freed_after_its_last_test(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own="""
        import gc, weakref
        import pytest
        from zoo import Good, INPUTS

        SEEN = []

        def make():
            model = Good()
            SEEN.append(weakref.ref(model))
            return model, INPUTS

        @pytest.mark.torchscript(model=make)
        class TestOne:
            def test_one(self, torchscript_traced):
                pass

            def test_two(self, torchscript_eager):
                assert SEEN[0]() is not None
                assert len(SEEN) == 1

        def test_after():
            gc.collect()
            assert SEEN[0]() is None
        """
    )
    run().assert_outcomes(passed=3)


def test_override_before_command_line(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "import pytest\nfrom zoo import bad\n\n@pytest.fixture\ndef torchscript_model():\n    return bad()\n"
    )
    pytester.makepyfile(
        test_own="""
        import pytest
        from zoo import Bad, Good, good

        def test_mine(torchscript_model, torchscript_traced):
            assert type(torchscript_model[0]) is Bad

        @pytest.mark.torchscript(model=good)
        def test_marker_first(torchscript_inputs, torchscript_eager):
            torchscript_eager(torchscript_inputs)
        """
    )
    args = ("--torchscript-model", "zoo:good", "test_own.py::test_mine", "test_own.py::test_marker_first")
    run(*args, "--torchscript-report", "out.json").assert_outcomes(passed=2)
    assert [model["class"] for model in read_report(pytester.path)["models"]] == ["Bad", "Good"]


def test_no_model(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own="def test_mine(torchscript_traced):\n    pass\n")
    result = run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "no model for the torchscript fixtures of this test",
            "    mark the test: @pytest.mark.torchscript(model=*",
            "    or override the fixture 'torchscript_model' in conftest.py",
            "    or run pytest with --torchscript-model",
            "    hint: *",
        ]
    )
    assert "subjects.py" not in result.stdout.str()


def test_model_that_cannot_be_traced(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own="""
        import pytest, torch
        from zoo import INPUTS

        class Untraceable(torch.nn.Module):
            def forward(self, x):
                if torch.jit.is_tracing():
                    raise RuntimeError("not me")
                return x

        @pytest.mark.torchscript(model=Untraceable, inputs=INPUTS)
        def test_mine(torchscript_traced):
            pass
        """
    )
    result = run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["test_own.py::test_mine: *", "    hint: *"])
    assert "Traceback" not in result.stdout.str()


def test_check(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own="""
        import pytest
        from zoo import Bad, Good, INPUTS, Same

        @pytest.mark.torchscript(inputs=INPUTS)
        def test_good(torchscript):
            assert torchscript.check(Good()).passed

        @pytest.mark.torchscript(inputs=INPUTS)
        def test_bad(torchscript):
            torchscript.check(Bad())

        def test_keywords(torchscript):
            torchscript.check(Same(), inputs=INPUTS, anchor={"time": 8}, weights="auto")

        @pytest.mark.torchscript(model=Same, inputs=INPUTS, anchor={"time": 8})
        def test_of_the_marker(torchscript):
            torchscript.check()
        """
    )
    result = run("--torchscript-report", "out.json", "-k", "bad or good")
    text = result.stdout.str()
    assert "test_own.py::test_bad: axis 'time' diverges" in text
    assert "torchscript.check(Bad())" in text
    assert "helper.py" not in text
    report = read_report(pytester.path)
    assert [model["model"] for model in report["models"]] == ["test_own.py::test_good", "test_own.py::test_bad"]
    assert checks_of(report, "test_own.py::test_bad")["axis[time]"] == "failed"
    assert run("-k", "keywords or marker").ret == 0


def test_check_twice_in_a_test(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own="""
        from zoo import Same, INPUTS

        def test_both(torchscript):
            for time in (4, 8):
                torchscript.check(Same(), inputs=INPUTS, anchor={"time": time})
        """
    )
    run("--torchscript-report", "out.json").assert_outcomes(passed=1)
    found = [model["model"] for model in read_report(pytester.path)["models"]]
    assert found == ["test_own.py::test_both", "test_own.py::test_both (2)"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("torchscript.check()", "no model for the torchscript fixtures"),
        ("torchscript.check(42)", "int is not a model"),
        ("torchscript.check(Good(), inputs=INPUTS, wieghts='tiny')", "setting 'wieghts' does not exist"),
        ("torchscript.check(Good(), inputs=INPUTS, axes={'tme': 4})", "axis 'tme' does not exist"),
        ("torchscript.check(Good(), inputs=INPUTS, rtol=1e-3)", "give both rtol and atol"),
        ("torchscript.check(Good(), inputs=INPUTS, backend='onxx')", "backend 'onxx' does not exist"),
        ("torchscript.check(Good(), inputs=INPUTS, weights='tyny')", "weights 'tyny' does not exist"),
        ("torchscript.check(Good(), inputs=INPUTS, neuron='emulat')", "mode 'emulat' does not exist"),
        ("torchscript.check(Good(), inputs=INPUTS, task='masked')", "task 'masked' does not exist"),
        ("torchscript.check(Good(), inputs=INPUTS, axes=['time'])", "axes: 'time' does not describe an axis"),
        ("torchscript.check(Good(), inputs=INPUTS, option='neuron.tmeout=3')", "neuron option 'tmeout' does not exist"),
        ("torchscript.check(Good(), inputs=INPUTS, neuron_options={'tmeout': 3})", "neuron option 'tmeout'"),
        ("torchscript.check(Good())", "inputs"),
        ("torchscript.check('zoo:missing')", "missing"),
    ],
)
def test_check_misused(run: Run, pytester: pytest.Pytester, call: str, said: str) -> None:
    pytester.makepyfile(test_own=f"from zoo import Good, INPUTS\n\ndef test_it(torchscript):\n    {call}\n")
    result = run()
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert said in text
    assert "hint:" in text
    assert f"> {call}".replace("> ", ">       ") in text
    assert "plugin/" not in text


def test_marker_that_is_malformed(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own="""
        import pytest

        @pytest.mark.torchscript(modle=3)
        def test_name():
            pass

        @pytest.mark.torchscript(1, 2, 3)
        def test_count():
            pass

        @pytest.mark.torchscript(inputs=1)
        def test_inputs(torchscript_traced):
            pass

        @pytest.mark.torchscript(axes={"time": 1.5})
        def test_axes():
            pass

        @pytest.mark.torchscript(weights="big")
        def test_word():
            pass

        @pytest.mark.torchscript(rtol=1e-4)
        def test_half():
            pass

        @pytest.mark.torchscript(backend="onxx")
        def test_backend():
            pass
        """
    )
    result = run()
    result.assert_outcomes(errors=7)
    text = result.stdout.str()
    for said in (
        "@pytest.mark.torchscript: setting 'modle' does not exist",
        "@pytest.mark.torchscript: too many positional arguments",
        "@pytest.mark.torchscript: inputs: a value of type int holds no inputs by name or by place",
        "@pytest.mark.torchscript: axes: 1.5 does not describe an axis",
        "@pytest.mark.torchscript: weights 'big' does not exist",
        "@pytest.mark.torchscript: rtol is given without atol",
        "@pytest.mark.torchscript: backend 'onxx' does not exist",
    ):
        assert said in text
    assert "markers.py" not in text


def test_marker_settings(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own="""
        import pytest
        from pytest_torchscript import Axis
        from zoo import good

        @pytest.mark.torchscript(model=good, anchor={"time": 5, "batch": 3})
        def test_anchor(torchscript_inputs):
            assert tuple(torchscript_inputs["x"].shape) == (3, 5, 4)

        @pytest.mark.torchscript(model=good, axes=["time=6", Axis("batch", max=2)])
        def test_axes(torchscript_inputs):
            assert torchscript_inputs["x"].shape[1] == 6
        """
    )
    run("--strict-markers").assert_outcomes(passed=2)


def test_fixtures_are_documented(run: Run) -> None:
    text = run("--fixtures", "-q").stdout.str()
    for name in ("torchscript", "torchscript_model", "torchscript_eager", "torchscript_traced", "torchscript_inputs"):
        assert f"{name} " in text
    ours = [line for line in text.splitlines() if "pytest_torchscript" in line]
    assert ours
    assert not any(line.startswith("torch_") for line in ours)
