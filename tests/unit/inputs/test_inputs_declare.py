import pytest
import torch

from pytest_torchscript.errors import InputError
from pytest_torchscript.inputs.declare import declare_inputs, describe, propose_axes
from pytest_torchscript.spec import Axis, InputSpec, TensorSpec
from tests.feeding import dims


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
