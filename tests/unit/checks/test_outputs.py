"""The check `outputs`."""

from __future__ import annotations

from tests import toys
from tests.asking import answer, ask


def test_a_sound_model_agrees_three_times() -> None:
    found = answer(ask(toys.Sound(), "outputs"))
    assert (found.outcome, found.message) == ("passed", "three calls at batch=2 time=11")


def test_an_export_that_is_wrong_at_its_anchor_fails() -> None:
    found = answer(ask(toys.Doubled(), "outputs"))
    assert found.outcome == "failed"
    assert "at the anchor itself, batch=2 time=11" in found.message
    assert "max |actual - expected| =" in found.message
    assert found.message.splitlines()[-1].strip().startswith("hint:")


def test_a_nested_output_is_compared_leaf_by_leaf() -> None:
    assert answer(ask(toys.Nested(), "outputs")).outcome == "passed"
