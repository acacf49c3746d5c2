from __future__ import annotations

import torch
from torch import nn

from pytest_torchscript.models.answers import Answers, key_of
from pytest_torchscript.models.calling import Positional
from pytest_torchscript.models.eager import Eager


def eager(**kwargs):
    return Eager(Positional(nn.Linear(3, 2), ("x",), keyword=False).eval(), **kwargs)


def test_equal_inputs_are_asked_once():
    asked = eager(answers=Answers())
    inputs = {"x": torch.ones(2, 3)}
    first = asked(inputs)
    assert asked({"x": torch.ones(2, 3)}) is first
    assert asked.passes == 1
    asked({"x": torch.zeros(2, 3)})
    asked(inputs, seed=7)
    assert asked.passes == 3


def test_nothing_is_kept_for_one_backend():
    asked = eager()
    asked({"x": torch.ones(2, 3)})
    asked({"x": torch.ones(2, 3)})
    assert asked.passes == 2


def test_the_oldest_go_where_there_is_no_room():
    answers = Answers(limit=100)
    for number in range(3):
        answers.keep(bytes([number]), torch.zeros(10))
    assert [answers.find(bytes([number])) is not None for number in range(3)] == [False, True, True]
    answers.keep(b"large", torch.zeros(26))
    assert answers.find(b"large") is None


def test_a_key_tells_names_dtypes_shapes_and_values_apart():
    ones = torch.ones(2, 3)
    keys = [
        key_of({"x": ones}, 0),
        key_of({"y": ones}, 0),
        key_of({"x": ones.double()}, 0),
        key_of({"x": ones.reshape(3, 2)}, 0),
        key_of({"x": ones * 2}, 0),
        key_of({"x": ones}, 1),
        key_of({"x": ones.to("meta")}, 0),
        key_of({"x": torch.view_as_complex(torch.ones(3, 2))}, 0),
    ]
    assert len(set(keys)) == len(keys)
    assert key_of({"x": torch.ones(3, 2).t()}, 0) == keys[0]


def test_what_is_timed_is_asked_anew():
    asked = eager(answers=Answers())
    asked({"x": torch.ones(2, 3)})
    asked.anew({"x": torch.ones(2, 3)})
    assert asked.passes == 2
