"""Inputs in the forms that people bring them in become the inputs of a plan, or are refused with what is wrong."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from pytest_torchscript import Axis, InputError, ModelError, TensorSpec, check
from tests.forms import Sum, Switched, run, sound

X = {"x": TensorSpec("batch", 3)}


def test_constants_are_said_to_be_constants() -> None:
    inputs = {"x": TensorSpec("batch", 3), "double": True, "scale": 0.5, "mode": "mean", "mask": None}
    result = sound(Switched(), inputs)
    assert (
        'double=True, scale=0.5, mode="mean" are constants of the export: it answers for no other values'
        in result.notes
    )
    assert "mask given as None: the export is made without, and answers for nothing else" in result.notes
    told = next(note for note in result.notes if "refuses" in note)
    assert "it gives arguments by place, and scale, mode, mask can be given by name alone" in told


def test_defaults_and_plain_inputs_are_not_spoken_of() -> None:
    assert sound(Switched(), {"x": TensorSpec("batch", 3), "double": False}).notes == [
        "double=False is a constant of the export: it answers for no other value"
    ]
    assert sound(Switched(), X).notes == []


@pytest.mark.parametrize("inputs", [(torch.randn(3, 3),), [torch.randn(3, 3)], torch.randn(3, 3)])
def test_examples_as_torch_takes_them(inputs: Any) -> None:
    result = sound(Switched(), inputs)
    assert result.exports[0].anchors == [{"batch": 3}]
    assert result.inputs_found == '{\n    "x": TensorSpec(Axis("batch", max=64, typical=3), 3),\n}'


def test_arguments_without_names_are_given_by_place() -> None:
    class Anything(nn.Module):
        def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
            return tensors[0] - 2 * tensors[1]

    result = sound(Anything(), (torch.randn(2, 3), torch.randn(2, 3)))
    assert list(result.exports[0].signature.inputs) == ["tensors_0", "tensors_1"]


def test_the_examples_are_what_is_traced() -> None:
    seen = []

    class Watching(nn.Module):
        def forward(self, x: torch.Tensor, y: Any) -> torch.Tensor:
            if torch.jit.is_tracing():
                seen.append((x.clone(), y[0].clone()))
            return x + y[0]

    x, y = torch.randn(3, 4), torch.randn(3, 4)
    sound(Watching(), {"x": x, "y": [y]})
    assert torch.equal(seen[0][0], x)
    assert torch.equal(seen[0][1], y)


def test_an_option_wins_over_the_examples_and_they_over_ours() -> None:
    model, inputs = nn.Linear(3, 2).eval(), torch.randn(4, 6, 3)
    anchors = [
        check(model, inputs=inputs, checks=("trace",), **settings).exports[0].anchors[0]
        for settings in ({}, {"anchor": {"time": 9}}, {"axes": {"time": 8}}, {"axes": {"time": Axis("time", max=5)}})
    ]
    assert [(sizes["batch"], sizes["time"]) for sizes in anchors[:3]] == [(4, 6), (4, 9), (4, 8)]
    assert anchors[3]["time"] <= 5


def test_a_model_right_at_the_examples_size_alone_is_fixed() -> None:
    class Even(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.shape[0] % 2:
                x = torch.cat([x, x[-1:]])
            return x.reshape(-1, 2, 4).sum(1)

    result = run(Even(), torch.randn(8, 4), "axis")
    assert result.exports[0].anchors == [{"batch": 8, "time": 4}]
    assert result.axis("batch").verdict == "fixed"


class Jagged(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 8)

    def forward(self, values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return torch.stack([part.sum(0) for part in torch.split(self.table(values), lengths.tolist())])


def test_lengths_that_must_sum_are_drawn_in_other_orders() -> None:
    inputs = {"values": torch.randint(0, 50, (12,)), "lengths": torch.tensor([4, 5, 3])}
    result = run(Jagged(), inputs, "trace", "values")
    said = "lengths: eager refuses values drawn from the example's range; the values of the example are used in other orders"
    assert said in result.notes
    assert result.exports[0].values.verdict == "diverges"
    assert "lengths.tolist()" in result.exports[0].values.causes[0].source
    assert "# eager refuses draws from this range: give a fill=" in result.inputs_found


@pytest.mark.filterwarnings("ignore")
def test_functions_and_scripted_modules() -> None:
    linear = nn.Linear(3, 3).eval()
    assert sound(lambda x: x * 2, X).class_name == "function"
    assert sound(torch.relu, (torch.randn(2, 3),)).class_name == "relu"
    assert sound(torch.jit.script(linear), (TensorSpec("batch", 3),)).class_name == "Linear"
    assert sound(torch.jit.trace(lambda x: x * 2, torch.randn(2, 3)), torch.randn(2, 3)).passed
    assert sound(linear.forward, X).class_name == "Linear.forward"


def test_indices_bounded_by_another_axis() -> None:
    class Gather(nn.Module):
        def forward(self, nodes: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
            return nodes[index]

    nodes = TensorSpec(Axis("nodes", max=40), 3)
    sound(Gather(), {"nodes": nodes, "index": TensorSpec("edges", dtype=torch.int64, low=0, high="nodes")})

    def last(generator: torch.Generator, shape: tuple[int, ...], sizes: dict[str, int]) -> torch.Tensor:
        return sizes["nodes"] - 1 - torch.randint(0, min(sizes["nodes"], 3), shape, generator=generator)

    sound(Gather(), {"nodes": nodes, "index": TensorSpec("edges", dtype=torch.int64, fill=last)})


@pytest.mark.parametrize(
    ("model", "inputs", "said", "hint"),
    [
        (
            Sum,
            {"a": torch.randn(2, 3), "b": torch.randn(2, 3)},
            "Sum: the inputs given to check(): eager refuses the example tensors themselves: a (2, 3), b (2, 3)",
            "the model takes parts, and the inputs are named a, b: a dict that is one argument stands under its name",
        ),
        (
            Switched,
            {"x": torch.randn(2, 5)},
            "eager refuses the example tensors themselves: x (2, 5)",
            "call the model with them first",
        ),
        (
            Sum,
            (torch.randn(2, 3), torch.randn(2, 3)),
            "inputs: 2 are given in a tuple, and the model takes 1 by place: parts",
            "a tuple that is one argument stands in a tuple of its own: ((h, c),)",
        ),
        (
            Switched,
            {"x": TensorSpec("batch", 3), "mask": torch.ones(3)},
            "TensorSpecs (x) and example tensors (mask) are given at once",
            "declare all of them one way",
        ),
        (
            Switched,
            {"x": (1, {2})},
            "Switched: the inputs given to check(): input 'x'[1]: a value of type set",
            "an input is",
        ),
    ],
)
def test_bad_inputs(model: type[nn.Module], inputs: Any, said: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        check(model().eval(), inputs=inputs)
    assert said in caught.value.message
    assert hint in caught.value.hint


def test_eagers_own_words_are_told() -> None:
    with pytest.raises(InputError) as caught:
        check(Switched().eval(), inputs=torch.randn(2, 5))
    assert "mat1 and mat2 shapes cannot be multiplied" in caught.value.evidence[0]


@pytest.mark.parametrize(
    ("model", "said"),
    [(nn.Linear, "the class Linear is not a model"), (3, "int is not a model"), (None, "NoneType is not")],
)
def test_what_is_no_model(model: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        check(model, inputs=X)


def test_the_model_at_hand_stays_in_training_mode_and_that_is_told() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))
    result = check(model, inputs=torch.randn(2, 3), checks=("trace", "outputs"))
    assert model.training
    assert model[1].training
    assert "it was in training mode: checked in eval mode" in result.notes
    assert result.passed


def test_a_model_without_weights_is_asked_without_values() -> None:
    result = check(nn.Linear(3, 3).to("meta").eval(), inputs=torch.randn(2, 5, 3), checks=("trace",))
    assert result.passed, [item.message for item in result.failures]
    assert result.exports[0].anchors == [{"batch": 2, "time": 5}]
