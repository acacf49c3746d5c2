"""The check `joint`."""

from __future__ import annotations

from tests import toys
from tests.asking import answer, ask


def test_it_finds_what_no_axis_shows_alone() -> None:
    assert answer(ask(toys.Sound(), "joint")).outcome == "passed"
    assert ask(toys.JointOnly(), "axis", anchor={"batch": 2, "time": 11}).passed
    found = answer(ask(toys.JointOnly(), "joint", max_examples=30))
    assert found.outcome == "failed"
    assert "wrong at batch=4 time=21" in found.message


def test_it_leaves_to_an_axis_what_the_axis_shows_alone() -> None:
    found = answer(ask(toys.FrozenMean(), "joint"))
    assert found.outcome == "skipped"
    assert "beside time, wrong when moved alone" in found.message


def test_one_axis_is_none_to_join() -> None:
    found = answer(ask(toys.Sound(), "joint", axes={"time": 16}))
    assert (found.outcome, found.message) == ("skipped", "fewer than two axes move")
