"""What an exception says: its own words and the model's lines, nothing of the machinery around."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_torchscript.tracing.words import MOST_LINES, places_of, raised_at, spoken, words_of


class Refuses(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise ValueError("five steps\n\nand no more")  # here


def raised() -> Exception:
    try:
        Refuses()(torch.ones(1))
    except ValueError as error:
        return error
    raise AssertionError


def test_words_and_the_line_that_raised() -> None:
    line = Refuses.forward.__code__.co_firstlineno + 1
    assert words_of(raised()) == ["ValueError: five steps", "and no more", f"at {__file__}:{line} in forward"]
    assert raised_at(raised())[0].line == line


def test_what_passed_through_no_line_of_a_model_has_no_place() -> None:
    assert raised_at(ValueError("never raised")) == ()
    assert places_of(ValueError("never raised")) == []


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("", ["RuntimeError"]),
        ("RuntimeError: twice", ["RuntimeError: twice"]),
        ('no\n  File "/x/torch/a.py", line 3, in f\n', ["RuntimeError: no"]),
        ("tensors differ\n[1.0, 2.0, nan],\n", ["RuntimeError: tensors differ"]),
        ("x" * 999, ["RuntimeError: " + "x" * 285 + "…"]),
    ],
)
def test_stacks_and_numbers_are_left_out(message: str, said: list[str]) -> None:
    assert spoken(RuntimeError(message)) == said


def test_a_long_message_is_cut_in_its_middle() -> None:
    said = spoken(RuntimeError("\n".join(f"line {number}" for number in range(40))))
    assert len(said) == 1 + MOST_LINES
    assert said[-2:] == ["…", "line 39"]


def test_places_that_a_message_names_come_with_the_line_that_raised() -> None:
    error = RuntimeError(f"it failed:\n{__file__}(12): forward\n")
    assert places_of(error) == [f"at {__file__}:12 in forward"]
