"""The fixtures' eager model and export are called as models are, in whatever way a test is written."""

from __future__ import annotations

import copy

import pytest
import torch

from pytest_torchscript.errors import InputError
from pytest_torchscript.plugin.own_tests import Called

A, B = torch.ones(2), torch.zeros(3)


class Part:
    passes = 3


CALLED = Called(Part(), ("a", "b"), lambda inputs: (inputs["a"], inputs["b"]))


@pytest.mark.parametrize(
    "answer",
    [CALLED(A, B), CALLED(a=A, b=B), CALLED(b=B, a=A), CALLED({"b": B, "a": A}), CALLED(A, b=B), CALLED({"a": A}, b=B)],
)
def test_every_way_of_calling(answer: tuple[torch.Tensor, ...]) -> None:
    assert answer == (A, B)


@pytest.mark.parametrize(
    ("tensors", "named", "message"),
    [
        ((), {}, "inputs: 'a' is missing, 'b' is missing"),
        ((A,), {}, "inputs: 'b' is missing"),
        ((A, B, B), {}, "inputs: 3 are given"),
        ((), {"a": A, "b": B, "c": B}, "inputs: 'c' is unknown"),
    ],
)
def test_wrong_inputs_are_named(
    tensors: tuple[torch.Tensor, ...], named: dict[str, torch.Tensor], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        CALLED(*tensors, **named)
    assert str(caught.value).splitlines() == [message, "    hint: they are, in this order: a, b"]


def test_other_attributes_are_those_of_the_part() -> None:
    assert CALLED.passes == copy.copy(CALLED).passes == 3
    with pytest.raises(AttributeError):
        _ = CALLED.saved
