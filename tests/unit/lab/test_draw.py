"""Sizes that hypothesis draws: as many as are wanted, inside the axes, the same for the same seed."""

from __future__ import annotations

from types import SimpleNamespace

import hypothesis
import pytest

from pytest_torchscript import Axis
from pytest_torchscript.lab.draw import EXAMPLES, draw_sizes, examples_wanted
from pytest_torchscript.settings import Settings

AXES = {"batch": Axis("batch", max=4), "time": Axis("time", min=8, max=64, multiple_of=8)}


def test_drawn_sizes_are_allowed_and_repeat_with_their_seed() -> None:
    drawn = draw_sizes(AXES, 12, seed=3)
    assert drawn == draw_sizes(AXES, 12, seed=3)
    assert all(axis.allows(sizes[name]) for sizes in drawn for name, axis in AXES.items())
    assert drawn != draw_sizes(AXES, 12, seed=4)


def test_none_are_drawn_where_none_are_wanted() -> None:
    assert draw_sizes(AXES, 0, seed=0) == []


@pytest.mark.parametrize(
    ("asked", "profile", "wanted"), [(7, 100, 7), (None, 100, EXAMPLES), (None, 30, 30), (0, 30, 0)]
)
def test_the_option_wins_over_a_profile_and_that_over_ours(
    monkeypatch: pytest.MonkeyPatch, asked: int | None, profile: int, wanted: int
) -> None:
    monkeypatch.setattr(hypothesis, "settings", lambda: SimpleNamespace(max_examples=profile))
    assert examples_wanted(Settings(max_examples=asked)) == wanted
