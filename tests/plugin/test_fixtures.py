"""The fixtures for users' own tests."""

from __future__ import annotations

import pytest
from plugin_runs import Run, checks_of, read_report

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


def test_fixtures_are_documented(run: Run) -> None:
    text = run("--fixtures", "-q").stdout.str()
    for name in ("torchscript", "torchscript_model", "torchscript_eager", "torchscript_traced", "torchscript_inputs"):
        assert f"{name} " in text
    ours = [line for line in text.splitlines() if "pytest_torchscript" in line]
    assert ours
    assert not any(line.startswith("torch_") for line in ours)
