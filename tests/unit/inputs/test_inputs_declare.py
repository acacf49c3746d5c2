import pytest
import torch
from torch import nn

from pytest_torchscript.errors import InputError
from pytest_torchscript.inputs.declare import declare_inputs, describe, propose_axes
from pytest_torchscript.spec import Axis, InputSpec, TensorSpec


class Question:
    """Asks a function as `propose_axes` asks eager, and counts."""

    def __init__(self, function):
        self.function = function
        self.passes = 0

    def __call__(self, inputs):
        self.passes += 1
        try:
            self.function(**inputs)
        except Exception:
            return False
        return True


def dims(spec):
    return {name: [getattr(dim, "name", dim) for dim in tensor.dims] for name, tensor in spec.items()}


def test_specs_are_taken_as_they_are():
    spec = declare_inputs({"x": TensorSpec("batch", 3)})
    assert dims(spec) == {"x": ["batch", 3]}
    assert declare_inputs(spec) is spec


def test_masks_and_ids_named_as_usual_get_their_role():
    whole = TensorSpec("batch", "sequence", dtype=torch.int64, low=0, high=2)
    spec = declare_inputs({"input_ids": whole, "attention_mask": whole, "other": whole})
    assert [tensor.role for tensor in spec.values()] == ["ids", "mask", ""]


@pytest.mark.parametrize(
    ("name", "spec", "role", "dtype"),
    [
        ("mask", TensorSpec("batch", "time", dtype=torch.bool), "mask", torch.bool),
        ("attention_mask", TensorSpec("batch", "time", low=0, high=1), "mask", torch.float32),
        ("attention_mask", TensorSpec("batch", "time", dtype=torch.int64, low=0, high=5), "", torch.int64),
        ("mask", TensorSpec("time", dtype=torch.int64, low=0, high=2), "", torch.int64),
        ("pixel_mask", TensorSpec("batch", "height", "width", dtype=torch.int64), "pixel_mask", torch.int64),
        ("mask", TensorSpec("batch", "height", "width", dtype=torch.bool), "pixel_mask", torch.bool),
        ("pixel_attention_mask", TensorSpec("batch", "patches", dtype=torch.int32), "mask", torch.int32),
        ("padding_mask", TensorSpec("batch", "time", dtype=torch.bool), "", torch.bool),
        ("input_ids", TensorSpec("batch", "time"), "", None),
    ],
)
def test_what_a_name_and_a_range_tell(name, spec, role, dtype):
    found = declare_inputs({name: spec})[name]
    assert (found.role, found.dtype) == (role, dtype)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (None, "a value of type NoneType holds no inputs by name or by place"),
        (3, "a value of type int holds no inputs by name or by place"),
        ({}, "no tensor is among them: nothing"),
        ([1], "no tensor is among them: input_0=1"),
        ({"x": 3}, "no tensor is among them: x=3"),
        ({3: TensorSpec("batch")}, "the key 3 is of type int, expected the name of an input"),
        ({"x": {1, 2}}, "input 'x': a value of type set cannot be fed"),
        ({"x": (TensorSpec("batch"), [object()])}, "input 'x'[1][0]: a value of type object cannot be fed"),
        ({"x": {"a": torch.nn.ReLU}}, "input 'x'['a']: a value of type type cannot be fed"),
        ({"x": torch.eye(2).to_sparse()}, "input 'x': the example is of layout torch.sparse_coo"),
    ],
)
def test_what_cannot_be_fed_is_named_with_its_type(wrong, said):
    with pytest.raises(InputError) as caught:
        declare_inputs(wrong)
    assert said in caught.value.message
    assert caught.value.hint


def test_an_array_of_numpy_is_told_what_to_become():
    with pytest.raises(InputError, match=r"'x': a value of type numpy\.ndarray cannot be fed") as caught:
        declare_inputs({"x": torch.ones(2).numpy()})
    assert caught.value.hint.startswith("give torch.as_tensor(value)")


def test_a_list_that_holds_itself_is_refused():
    endless = [TensorSpec("batch")]
    endless.append(endless)
    with pytest.raises(InputError, match="the list holds itself"):
        declare_inputs({"x": endless})


def test_an_example_alone_does_not_tell_its_axes():
    with pytest.raises(InputError, match=r"example tensor of shape \(2, 3\)") as caught:
        declare_inputs({"x": torch.ones(2, 3)})
    assert "TensorSpec(2, 3)" in caught.value.hint


def test_axes_of_one_input_move_alone():
    asked = Question(nn.Linear(16, 4).forward)
    spec = propose_axes(asked, {"input": torch.randn(2, 7, 16)})
    assert dims(spec) == {"input": ["batch", "time", 16]}
    assert asked.passes < 20


def test_dims_that_only_move_together_are_one_axis():
    spec = propose_axes(Question(lambda x, y: x + y), {"x": torch.randn(3, 5), "y": torch.randn(3, 5)})
    assert dims(spec) == {"x": ["batch", "time"], "y": ["batch", "time"]}


def test_sizes_that_coincide_are_told_apart():
    spec = propose_axes(Question(lambda x, y: x + y), {"x": torch.randn(4, 4), "y": torch.randn(4, 4)})
    assert dims(spec) == {"x": ["batch", "time"], "y": ["batch", "time"]}
    spec = propose_axes(Question(lambda x, y: x @ y), {"x": torch.randn(4, 4), "y": torch.randn(4, 4)})
    assert dims(spec) == {"x": ["batch", "time"], "y": ["time", "dim_y_1"]}


def test_first_dims_of_one_size_are_the_batch_also_where_each_moves_alone():
    spec = propose_axes(Question(lambda x, y: torch.cat([x, y])), {"x": torch.randn(3, 4), "y": torch.randn(3, 4)})
    assert dims(spec) == {"x": ["batch", "time"], "y": ["batch", "time"]}
    spec = propose_axes(Question(lambda x, y: torch.cat([x, y])), {"x": torch.randn(3, 4), "y": torch.randn(5, 4)})
    assert dims(spec) == {"x": ["dim_x_0", "time"], "y": ["dim_y_0", "time"]}


def test_a_recurrent_batch_is_what_every_input_carries():
    state = torch.zeros(2, 3, 6)
    for first, x, found in [
        (False, torch.randn(5, 3, 4), ["time", "batch", 4]),
        (True, torch.randn(3, 5, 4), ["batch", "time", 4]),
    ]:
        lstm = nn.LSTM(4, 6, num_layers=2, batch_first=first)
        spec = propose_axes(Question(lambda x, h, c, lstm=lstm: lstm(x, (h, c))), {"x": x, "h": state, "c": state})
        assert dims(spec) == {"x": found, "h": [2, "batch", 6], "c": [2, "batch", 6]}


def test_a_picture_without_a_batch_has_height_and_width():
    spec = propose_axes(Question(nn.Conv2d(3, 4, 3).forward), {"input": torch.randn(3, 16, 20)})
    assert dims(spec) == {"input": [3, "height", "width"]}


def test_a_mask_that_hides_nothing_is_asked_about_when_it_hides_something():
    def masked(x, mask):
        return x if mask.all() else x.masked_fill(~mask[..., None], 0)

    spec = propose_axes(Question(masked), {"x": torch.randn(2, 7, 3), "mask": torch.ones(2, 7, dtype=torch.bool)})
    assert dims(spec)["mask"] == dims(spec)["x"][:2] == ["batch", "time"]
    assert bool(spec.examples["mask"].all())


def test_a_batch_of_one_does_not_hide_behind_broadcasting():
    spec = propose_axes(Question(lambda x, y: x * y), {"x": torch.randn(1, 5), "y": torch.randn(1, 5)})
    assert dims(spec) == {"x": ["batch", "time"], "y": ["batch", "time"]}
    assert spec.axes["batch"].typical == 1


def test_ranges_are_those_that_were_accepted():
    convolution = nn.Conv2d(3, 4, 5)
    spec = propose_axes(Question(convolution.forward), {"input": torch.randn(1, 3, 16, 16)})
    assert dims(spec) == {"input": ["batch", 3, "height", "width"]}
    assert (spec.axes["height"].min, spec.axes["height"].max, spec.axes["height"].typical) == (5, 512, 16)


def test_a_table_of_positions_ends_the_range():
    table = nn.Embedding(20, 4)
    spec = propose_axes(Question(lambda x: x + table(torch.arange(x.shape[1]))), {"x": torch.randn(2, 6, 4)})
    assert spec.axes["time"].max == 20


def test_sizes_in_steps_are_a_multiple():
    spec = propose_axes(Question(lambda x: x.reshape(x.shape[0], 4, -1)), {"x": torch.randn(3, 16)})
    assert spec.axes["time"].multiple_of == 4
    assert spec.axes["time"].min == 4


def test_a_dim_that_never_moves_is_fixed():
    spec = propose_axes(Question(lambda x: x.reshape(2, 8)), {"x": torch.randn(2, 8)})
    assert spec.axes == {}


def test_examples_give_ranges_and_dtypes():
    examples = {
        "input_ids": torch.tensor([[5, 9, 2]]),
        "attention_mask": torch.ones(1, 3, dtype=torch.int64),
        "share": torch.tensor([0.25, 0.75]),
        "free": torch.tensor([-1.0, 1.0], dtype=torch.float64),
        "flag": torch.tensor([True]),
    }
    spec = propose_axes(lambda inputs: all(inputs[name] is value for name, value in examples.items()), examples)
    assert (spec["input_ids"].low, spec["input_ids"].high, spec["input_ids"].role) == (0, 10, "ids")
    assert (spec["attention_mask"].high, spec["attention_mask"].role) == (2, "mask")
    assert (spec["share"].low, spec["share"].high, spec["share"].dtype) == (0.25, 0.75, None)
    assert (spec["free"].low, spec["free"].dtype) == (None, torch.float64)
    assert spec["flag"].dtype == torch.bool


def test_examples_that_eager_refuses_are_refused():
    with pytest.raises(InputError, match=r"refused by the model itself: x \(2, 3\)"):
        propose_axes(lambda inputs: False, {"x": torch.ones(2, 3)})


def test_examples_and_specs_do_not_mix():
    with pytest.raises(InputError, match="input 'y': TensorSpec is not a tensor"):
        propose_axes(lambda inputs: True, {"x": torch.ones(2, 3), "y": TensorSpec("batch")})


def test_a_description_can_be_pasted():
    spec = InputSpec(
        {
            "ids": TensorSpec(
                Axis("batch", max=16),
                Axis("sequence", min=2, max=64, multiple_of=2, typical=8),
                dtype=torch.int64,
                low=0,
                high=30,
                role="ids",
                pad=1,
                special=(1, 2),
            ),
            "mask": TensorSpec("batch", "past + sequence", 3, optional=True),
            "kind": TensorSpec(Axis.fixed_at("choices", 2, 4)),
        }
    )
    text = describe(spec)
    pasted = InputSpec(eval(text, {"TensorSpec": TensorSpec, "Axis": Axis, "torch": torch}))
    assert dict(pasted) == {
        **spec,
        "ids": spec["ids"],
        "mask": TensorSpec("batch", "past + sequence", 3, optional=True),
    }
    assert pasted.axes == spec.axes
    assert describe(pasted) == text
    assert text.startswith('{\n    "ids": TensorSpec(Axis("batch", max=16), Axis("sequence", min=2')
