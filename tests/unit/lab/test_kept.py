"""What a model keeps between calls: the attribute, and the line that sets it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from pytest_torchscript.lab.kept import CURES, NOTHING, Kept, kept_lines, lines_that_set, what_is_kept
from pytest_torchscript.models.calling import Positional
from pytest_torchscript.models.eager import Eager
from pytest_torchscript.models.state import Place
from pytest_torchscript.results import Cause

X = {"x": torch.ones(2)}


class Keeps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        self.noted = ""
        self.table = torch.zeros(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen += 1  # this one
        self.noted = "called"
        self.table.data.add_(1)  # behind torch's back
        return x + self.seen


class Holds(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.part = Keeps()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.part(x)


def eager_of(model: nn.Module) -> Eager:
    return Eager(Positional(model.eval(), ("x",)))


def place(name: str, path: str = "model") -> Place:
    return Place(path, name)


def test_the_line_is_that_of_the_models_code() -> None:
    found = lines_that_set(eager_of(Keeps()), [X], [place("seen"), place("noted")])
    assert found[place("seen")].source == "self.seen += 1  # this one"
    assert found[place("noted")].source == 'self.noted = "called"'
    assert found[place("seen")].file == __file__


def test_what_is_written_behind_torchs_back_is_found_in_a_second_round() -> None:
    found = lines_that_set(eager_of(Keeps()), [X], [place("table")])
    assert found[place("table")].source == "self.table.data.add_(1)  # behind torch's back"


def test_what_nobody_sets_has_no_line() -> None:
    assert lines_that_set(eager_of(Keeps()), [X], [place("nothing")]) == {}


def test_what_cures_comes_first_and_what_does_nothing_is_left_out() -> None:
    effects = {"seen": CURES, "noted": NOTHING}
    places = [place("noted"), place("seen")]
    found = what_is_kept(eager_of(Keeps()), [X], places, lambda it: effects[it.name])
    assert [item.attribute for item in found] == ["seen"]
    together = what_is_kept(eager_of(Keeps()), [X], places, lambda it: NOTHING)
    assert {item.attribute for item in together} == {"seen", "noted"}


def test_a_part_is_named_with_its_path() -> None:
    (found,) = what_is_kept(eager_of(Holds()), [X], [place("seen", "model.part")], lambda it: CURES)
    assert (found.attribute, found.path) == ("part.seen", "part")
    assert str(found).startswith(f"keeps `self.seen` between calls, {Path(__file__).name}:")
    assert str(found).endswith("(in part)")


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (None, "`self.seen` is another after a call; the line that sets it is not known"),
        (Cause("m.py", 3, "forward", "self.seen += 1", "sets `self.seen`"), "at m.py:3 in forward: "),
    ],
)
def test_as_evidence(cause: Cause | None, said: str) -> None:
    (line,) = kept_lines([Kept(place("seen"), cause)])
    assert line.startswith(said)
    assert len(kept_lines([Kept(place(str(number))) for number in range(5)])) == 3
