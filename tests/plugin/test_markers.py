"""The marker ``torchscript``: what it takes, and what it refuses."""

from __future__ import annotations

import pytest
from plugin_runs import Run


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
