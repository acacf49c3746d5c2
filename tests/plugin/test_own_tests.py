"""Users' own tests: which model each is given, the helper ``check``, and the pieces in every way one calls a model."""

from __future__ import annotations

import copy

import pytest
import torch
from plugin_runs import Run, checks_of, names, read_report

from pytest_torchscript.errors import InputError
from pytest_torchscript.plugin.own_tests import Called


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


def test_command_line_models(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own="def test_mine(torchscript_eager, torchscript_inputs):\n    torchscript_eager(torchscript_inputs)\n"
    )
    models = ("--torchscript-model", "zoo:good", "--torchscript-model", "zoo:bad")
    found = names(run(*models, "-k", "mine", "--co", "-q"))
    assert found == ["test_own.py::test_mine[zoo:good]", "test_own.py::test_mine[zoo:bad]"]
    run(*models, "-k", "mine").assert_outcomes(passed=2)


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


A, B = torch.ones(2), torch.zeros(3)


class Part:
    passes = 3


CALLED = Called(Part(), ("a", "b"), lambda inputs: (inputs["a"], inputs["b"]))


@pytest.mark.parametrize(
    "answer",
    [CALLED(A, B), CALLED(a=A, b=B), CALLED(b=B, a=A), CALLED({"b": B, "a": A}), CALLED(A, b=B), CALLED({"a": A}, b=B)],
)
def test_every_way_of_calling(answer: tuple[torch.Tensor, ...]) -> None:
    assert answer == (A, B)


@pytest.mark.parametrize(
    ("tensors", "named", "message"),
    [
        ((), {}, "inputs: 'a' is missing, 'b' is missing"),
        ((A,), {}, "inputs: 'b' is missing"),
        ((A, B, B), {}, "inputs: 3 are given"),
        ((), {"a": A, "b": B, "c": B}, "inputs: 'c' is unknown"),
    ],
)
def test_wrong_inputs_are_named(
    tensors: tuple[torch.Tensor, ...], named: dict[str, torch.Tensor], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        CALLED(*tensors, **named)
    assert str(caught.value).splitlines() == [message, "    hint: they are, in this order: a, b"]


def test_other_attributes_are_those_of_the_part() -> None:
    assert CALLED.passes == copy.copy(CALLED).passes == 3
    with pytest.raises(AttributeError):
        _ = CALLED.saved
