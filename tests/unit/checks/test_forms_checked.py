"""Inputs and outputs in the forms that people bring them in: checked, and told where torch.jit.trace itself differs."""

from __future__ import annotations

import functools
import textwrap
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn

from pytest_torchscript import Axis, InputError, ModelError, TensorSpec, check
from pytest_torchscript.results import ModelResult

QUICK = ("trace", "outputs", "axis", "joint", "values")


class Pair(NamedTuple):
    left: Any
    right: Any


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRU(3, 4)

    def forward(self, x: torch.Tensor, state: Any) -> Any:
        return self.cell(x, state[0])


class Sum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, parts: Any) -> torch.Tensor:
        values = parts.values() if isinstance(parts, dict) else parts
        total = sum(self.layer(part) for part in values)
        assert isinstance(total, torch.Tensor)
        return total


class Left(nn.Module):
    def forward(self, pair: Pair) -> torch.Tensor:
        return pair.left - pair.right


class Switched(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(
        self, x: torch.Tensor, double: bool = False, *, scale: float = 1.0, mode: str = "sum", mask: Any = None
    ) -> torch.Tensor:
        x = self.layer(x) * scale
        x = x * 2 if double else x
        x = x if mask is None else x * mask
        return x.sum(-1) if mode == "sum" else x.mean(-1)


class Made(nn.Module):
    """Returns what a function makes of the output of a layer and the input."""

    def __init__(self, make: Callable[[torch.Tensor, torch.Tensor], Any]) -> None:
        super().__init__()
        self.make = make
        self.layer = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> Any:
        return self.make(self.layer(x), x)


def run(model: Any, inputs: Any, *checks: str) -> ModelResult:
    model = model.eval() if isinstance(model, nn.Module) else model
    return check(
        model, inputs=inputs, checks=checks or QUICK, axes={"batch": "1:8"} if "batch" in str(inputs) else None
    )


def sound(model: Any, inputs: Any) -> ModelResult:
    result = run(model, inputs)
    assert result.passed, [item.message for item in result.failures]
    assert {axis.verdict for axis in result.exports[0].axes} <= {"dynamic"}
    return result


LAYER = nn.Linear(3, 3).eval()
X = {"x": TensorSpec("batch", 3)}
STATE = TensorSpec(1, "batch", 4)


@pytest.mark.parametrize(
    ("model", "inputs", "flat"),
    [
        (Recurrent, {"x": TensorSpec("time", "batch", 3), "state": (STATE,)}, ["x", "state.0"]),
        (Sum, {"parts": [TensorSpec("batch", 3), TensorSpec("batch", 3)]}, ["parts.0", "parts.1"]),
        (Sum, {"parts": {"a": TensorSpec("batch", 3), "b c": TensorSpec("batch", 3)}}, ["parts.a", "parts.b c"]),
        (Left, {"pair": Pair(TensorSpec("batch", 3), TensorSpec("batch", 3))}, ["pair.left", "pair.right"]),
        (Left, (Pair(TensorSpec("batch", 3), TensorSpec("batch", 3)),), ["pair.left", "pair.right"]),
    ],
)
def test_nested_inputs_are_flat_in_the_export(model: type[nn.Module], inputs: Any, flat: list[str]) -> None:
    result = sound(model(), inputs)
    assert list(result.exports[0].signature.inputs) == flat
    assert any(note.startswith("nested inputs are flat in the export") for note in result.notes)
    assert any("flat form" in note and "torch.jit.trace(flat, (" in note for note in result.notes)


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


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda y, x: (y, None), "Only tensors, lists, tuples of tensors, or dictionary of tensors can be output"),
        (lambda y, x: {"y": y, "name": "answer"}, "Found Tensor and str"),
        (lambda y, x: {"y": y, "more": [{"y": y}]}, "Dictionary inputs to traced functions must have consistent type"),
        (lambda y, x: [[y, [y, x]], x], "List inputs to traced functions must have consistent element type"),
        (
            lambda y, x: {"y": y},
            "Encountering a dict at the output of the tracer might cause the trace to be incorrect; ",
        ),
    ],
)
def test_outputs_that_torch_refuses_are_checked_flat_and_told(make: Any, said: str) -> None:
    result = sound(Made(make), X)
    assert len(result.notes) == 1
    assert result.notes[0].startswith("torch.jit.trace refuses the model as it is called here: RuntimeError: ")
    assert said in result.notes[0]
    assert "tensor(" not in result.notes[0]


def test_a_dict_passes_with_strict_off_and_that_is_said() -> None:
    assert "with strict=False it takes it" in sound(Made(lambda y, x: {"y": y}), X).notes[0]


def test_outputs_that_torch_takes_are_not_spoken_of() -> None:
    assert sound(Made(lambda y, x: (y, (x, Pair(y, x)))), X).notes == []


def test_a_number_that_is_a_size_moves_and_is_told() -> None:
    result = sound(Made(lambda y, x: (y, x.shape[0])), X)
    assert len(result.notes) == 1
    assert result.notes[0] == "output [1]: a number in eager, a tensor without dims in the export"


def test_a_number_that_is_frozen_diverges() -> None:
    result = run(Made(lambda y, x: (y, int(x.shape[0]))), X, "trace", "axis")
    assert result.axis("batch").verdict == "diverges"
    assert "torch.jit.trace refuses" in result.notes[1]
    assert result.notes[0] == "output [1]: a number in eager, a tensor without dims in the export"


@pytest.fixture
def quiet() -> Iterator[None]:
    """What torch says of its own age is not the question here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def flat_trace(note: str, model: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """Run the lines of a note as a reader would."""
    scope: dict[str, Any] = {
        "__name__": "reader",
        "LAYER": LAYER,
        "torch": torch,
        "model": model,
        "function": model,
        "Pair": Pair,
        **tensors,
    }
    exec(textwrap.dedent(note.partition("\n")[2]), scope)
    return scope["traced"]


@pytest.mark.parametrize(
    ("model", "inputs", "names"),
    [
        (Recurrent(), {"x": torch.randn(5, 2, 3), "state": (torch.zeros(1, 2, 4),)}, ["x", "state_0"]),
        (Sum(), {"parts": {"a": torch.randn(2, 3), "b c": torch.randn(2, 3)}}, ["parts_a", "parts_b_c"]),
        (Left(), {"pair": Pair(torch.randn(2, 3), torch.randn(2, 3))}, ["pair_left", "pair_right"]),
        (Switched(), {"x": torch.randn(2, 3), "double": True, "mode": "mean"}, ["x"]),
        (Made(lambda y, x: {"y": y, "n": 3, "more": [None, x]}), {"x": torch.randn(2, 3)}, ["x"]),
        (functools.partial(lambda x, scale: [x, [x * scale]], scale=2.0), {"x": torch.randn(2, 3)}, ["x"]),
        (Made(lambda y, x: [y, [x]]).forward, {"x": torch.randn(2, 3)}, ["x"]),
        (lambda x: LAYER(x), {"x": torch.randn(2, 3)}, ["x"]),
        (functools.partial(lambda layer, x: layer(x), LAYER), {"x": torch.randn(2, 3)}, ["x"]),
    ],
)
@pytest.mark.usefixtures("quiet")
def test_the_lines_that_are_shown_work(model: Any, inputs: Any, names: list[str]) -> None:
    result = run(model, inputs, "trace")
    assert result.passed, [item.message for item in result.failures]
    note = next(note for note in result.notes if "torch.jit.trace(flat" in note)
    assert len(note.splitlines()) <= 4
    leaves = [leaf for leaf in torch.utils._pytree.tree_flatten(inputs)[0] if isinstance(leaf, torch.Tensor)]
    owner = getattr(model, "__self__", model)
    traced = flat_trace(note, owner, dict(zip(names, leaves)))
    answer = traced(*leaves)
    eager = owner(**inputs) if isinstance(owner, nn.Module) else model(**inputs)
    first = next(leaf for leaf in torch.utils._pytree.tree_flatten(eager)[0] if isinstance(leaf, torch.Tensor))
    assert torch.equal(answer[0] if isinstance(answer, tuple) else answer, first)


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


@pytest.mark.usefixtures("quiet")
def test_functions_and_scripted_modules() -> None:
    linear = nn.Linear(3, 3).eval()
    assert sound(lambda x: x * 2, X).class_name == "function"
    assert sound(torch.relu, (torch.randn(2, 3),)).class_name == "relu"
    assert sound(torch.jit.script(linear), (TensorSpec("batch", 3),)).class_name == "Linear"
    assert sound(torch.jit.trace(lambda x: x * 2, torch.randn(2, 3)), torch.randn(2, 3)).passed
    assert sound(linear.forward, X).class_name == "Linear.forward"


def test_a_function_that_calls_a_module_is_told_that_torch_refuses_it() -> None:
    linear = nn.Linear(3, 3).eval()
    result = sound(lambda x: linear(x) * 2, X)
    assert result.parameters == 12
    assert "Cannot insert a Tensor that requires grad as a constant" in result.notes[0]


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
