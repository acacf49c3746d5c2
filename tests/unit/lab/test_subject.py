"""What a model is fed: drawings that repeat, the user's examples, and what other sizes leave as it was."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_torchscript import Axis, TensorSpec
from pytest_torchscript.errors import ModelError
from pytest_torchscript.lab.subject import EXAMPLE, FRESH, repeated
from tests import toys
from tests.asking import lab_of


class Scaled(nn.Module):
    def forward(self, x: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        return x * gain


SCALED = {"x": TensorSpec("batch", "time"), "gain": TensorSpec(3)}


class Says(nn.Module):
    def forward(self, x: torch.Tensor) -> str:
        return "nothing to compare"


def test_a_drawing_is_known_by_its_sizes_and_its_number() -> None:
    subject = lab_of(toys.Sound()).subject
    sizes = {"batch": 2, "time": 5}
    assert torch.equal(subject.draw(sizes, FRESH)["x"], subject.draw(sizes, FRESH)["x"])
    assert not torch.equal(subject.draw(sizes, FRESH)["x"], subject.draw(sizes, EXAMPLE)["x"])


def test_the_users_example_is_the_first_drawing_at_its_own_sizes_alone() -> None:
    given = torch.rand(3, 7, 4)
    subject = lab_of(toys.Sound(), inputs={"x": given}).subject
    assert subject.sizes == {"batch": 3, "time": 7}
    assert torch.equal(subject.inputs["x"], given)
    assert not torch.equal(subject.draw(subject.sizes, FRESH)["x"], given)
    assert subject.draw({"batch": 3, "time": 8})["x"].shape == (3, 8, 4)


def test_what_a_size_does_not_touch_stays_the_example() -> None:
    subject = lab_of(Scaled(), inputs=SCALED, anchor={"batch": 2, "time": 3}).subject
    moved = subject.moved({"batch": 2, "time": 6})
    assert moved["x"].shape == (2, 6)


def test_stretching_repeats_positions_in_their_order() -> None:
    subject = lab_of(toys.Sound(), anchor={"batch": 2, "time": 3}).subject
    stretched = subject.stretched({"batch": 2, "time": 6})["x"]
    assert torch.equal(stretched[:, ::2], subject.inputs["x"])
    assert torch.equal(stretched[:, 1::2], subject.inputs["x"])
    assert subject.keeps_its_values({"batch": 2, "time": 6})
    assert not subject.keeps_its_values({"batch": 2, "time": 7})


@pytest.mark.parametrize(
    ("size", "late", "kept"), [(2, False, [0, 2]), (2, True, [1, 3]), (6, False, [0, 0, 1, 2, 2, 3])]
)
def test_which_positions_are_kept(size: int, late: bool, kept: list[int]) -> None:
    assert repeated(torch.arange(4), (size,), late=late).tolist() == kept


def test_what_eager_refuses_is_said_in_its_own_words() -> None:
    subject = lab_of(toys.OnlyTwelve(), anchor={"time": 12}).subject
    assert subject.refusal({"batch": 2, "time": 12}) == ""
    assert "ValueError: expected 12 steps, got 5" in subject.refusal({"batch": 2, "time": 5})


def test_an_answer_without_a_tensor_is_refused() -> None:
    with pytest.raises(ModelError, match="Says returns no tensor: str, where nothing can be compared"):
        lab_of(Says()).subject.sizes  # noqa: B018 - asking is the test


def test_an_unsteady_model_is_asked_once() -> None:
    subject = lab_of(toys.Counter()).subject
    assert subject.steadiness.keeps
    passes = subject.passes.count
    assert subject.steadiness.keeps
    assert subject.passes.count == passes


def test_a_variant_leaves_inputs_out_and_gives_constants() -> None:
    subject = lab_of(toys.Masked(), inputs=toys.TEXT).subject
    variant = subject.variant(without=("attention_mask",), anchor={"batch": 2, "sequence": 5}, flag=True)
    assert (list(variant.spec), variant.sizes, variant.constants) == (
        ["input_ids"],
        {"batch": 2, "sequence": 5},
        {"flag": True},
    )
    assert variant.passes is subject.passes
    assert variant.eager is not subject.eager


def test_a_variant_with_the_same_inputs_shares_what_eager_answered() -> None:
    subject = lab_of(toys.Masked(), inputs=toys.TEXT).subject
    moved = subject.variant(anchor={"batch": 2, "sequence": 5})
    assert moved.eager is subject.eager
    assert subject.variant(without=("attention_mask",)).eager is moved.variant(without=("attention_mask",)).eager


def test_an_axis_ends_where_what_is_fed_grows_dear() -> None:
    pictures = {"x": TensorSpec("batch", 3, 224, 224)}
    subject = lab_of(toys.Sound(), inputs=pictures).subject
    subject.anchor = {"batch": 2}
    assert subject.affordable("batch").last == 17
    assert subject.affordable("batch", hints=[40, 999]).last == 40
    assert lab_of(toys.Masked(), inputs=toys.TEXT).subject.affordable("batch").last == 64


def test_another_axis_is_measured_with_one_row() -> None:
    subject = lab_of(toys.Sound(), inputs={"x": TensorSpec("batch", 3, Axis("height", max=4096), 512)}).subject
    subject.anchor = {"batch": 8, "height": 512}
    assert subject.affordable("height").last == 4096
    assert subject.affordable("batch").last == 32
