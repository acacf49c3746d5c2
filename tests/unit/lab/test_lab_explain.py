"""Why a line was named, asked for by reference and axis; test_main.py asks by the command."""

from __future__ import annotations

import pytest

from pytest_torchscript import Axis
from pytest_torchscript.errors import InputError, OptionError
from pytest_torchscript.lab.explain import explain_axis
from pytest_torchscript.settings import Settings
from tests import toys

AXES = {"batch": Axis("batch", max=6), "time": Axis("time", max=40)}


def frozen() -> tuple[object, object]:
    return toys.FrozenMean().eval(), toys.SIGNAL


def sound() -> tuple[object, object]:
    return toys.Sound().eval(), toys.SIGNAL


def untraceable() -> tuple[object, object]:
    return toys.CannotTrace().eval(), toys.SIGNAL


def explain(factory: str, axis: str = "time", **options: object) -> str:
    return explain_axis(f"{__name__}:{factory}", axis, Settings(anchor={"time": 11}), **options)


def test_the_line_that_froze_a_size_is_told_with_what_was_compared() -> None:
    text = explain("frozen")
    assert text.startswith(f"{__name__}:frozen, axis 'time': traced at batch=2 time=11, and there once more")
    assert "return x.sum(1) / float(x.shape[1])" in text
    assert "moved to time=23" in explain("frozen", size=23)


def test_a_sound_model_names_no_line() -> None:
    assert "no difference of graphs names a line; graphs may part further away" in explain("sound")
    assert "further away" not in explain("sound", size=30)


@pytest.mark.parametrize(
    ("axis", "size", "said"),
    [
        ("tim", None, "did you mean 'time'"),
        ("time", 11, "axis 'time' cannot be moved to 11: that is the anchor's own size"),
        ("time", 99, "that is none of its sizes: 1 to 40"),
    ],
)
def test_what_cannot_be_moved_is_refused(axis: str, size: int | None, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        explain("sound", axis, size=size)


def test_what_cannot_be_traced_is_told_with_its_words() -> None:
    with pytest.raises(InputError, match="cannot be traced at batch=2 time=11") as caught:
        explain("untraceable")
    assert "this model does not trace" in caught.value.evidence[0]
