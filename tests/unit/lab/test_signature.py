"""An output's dim bears the name of the axis that it moves with."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_torchscript import Axis, TensorSpec
from pytest_torchscript.lab.signature import signature_of
from tests import toys
from tests.asking import lab_of


class Joined(nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"joined": torch.cat([x, y], 1), "strided": x[:, ::2], "scalar": y.sum()}


def test_sums_of_axes_and_strides_are_seen() -> None:
    inputs = {"x": TensorSpec("batch", Axis("past", max=20)), "y": TensorSpec("batch", Axis("time", max=20))}
    found = signature_of(lab_of(Joined(), inputs=inputs).subject)
    assert found.inputs == {"x": ["batch", "past"], "y": ["batch", "time"]}
    assert found.outputs == {"joined": ["batch", "past + time"], "strided": ["batch", "past"], "scalar": []}


def test_a_dim_that_does_not_move_keeps_its_size() -> None:
    assert signature_of(lab_of(toys.Sound()).subject).outputs == {"output": ["batch", "time", 4]}
    subject = lab_of(toys.OnlyTwelve(), anchor={"time": 12}).subject
    assert signature_of(subject).outputs == {"output": ["batch", 4]}


@pytest.mark.parametrize(("moving", "dims"), [((), [2, 11, 4]), (("time",), [2, "time", 4])])
def test_the_axes_to_move_may_be_named(moving: tuple[str, ...], dims: list[object]) -> None:
    subject = lab_of(toys.Sound(), anchor={"batch": 2, "time": 11}).subject
    assert signature_of(subject, moving=moving).outputs == {"output": dims}


def test_nested_outputs_are_named_by_their_path() -> None:
    found = signature_of(lab_of(toys.Nested()).subject).outputs
    assert list(found) == ["sum", "['parts'][0]", "['parts'][1][0]"]
