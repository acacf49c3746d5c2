"""The check `sensitivity`."""

from __future__ import annotations

from pytest_torchscript import TensorSpec
from tests import toys
from tests.asking import answer, ask


def test_every_input_is_felt() -> None:
    found = answer(ask(toys.Sound(), "sensitivity"))
    assert found.outcome == "passed"
    assert "x: felt" in found.message


def test_it_says_where_a_comparison_is_blind() -> None:
    inputs = {"x": TensorSpec("batch", 4), "y": TensorSpec("batch", 4)}
    result = ask(toys.Barely(), "sensitivity", inputs=inputs)
    assert answer(result).outcome == "skipped"
    assert "blind: eager hardly moves with y" in answer(result).message
    assert result.notes
