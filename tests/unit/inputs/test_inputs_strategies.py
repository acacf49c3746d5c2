import pytest
import torch
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from pytest_torchscript import Axis, InputSpec, TensorSpec, strategies
from pytest_torchscript.errors import OptionError

SPEC = {
    "signal": TensorSpec("batch", Axis("time", min=3, max=40), 4),
    "mask": TensorSpec("batch", "time", role="mask", optional=True),
}
QUICK = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), database=None)
LONG = settings(QUICK, max_examples=300)


@given(strategies.inputs(SPEC))
@QUICK
def test_inputs_share_their_axes(tensors):
    assert tensors["signal"].shape[:2] == tensors["mask"].shape
    assert 3 <= tensors["signal"].shape[1] <= 40
    assert tensors["signal"].shape[2] == 4


@given(strategies.inputs(InputSpec(SPEC), at={"time": 5}, optional=False))
@QUICK
def test_axes_can_be_held_and_optional_inputs_left_out(tensors):
    assert list(tensors) == ["signal"]
    assert tensors["signal"].shape[1] == 5


def test_an_axis_that_does_not_exist_is_named():
    with pytest.raises(OptionError, match="axis 'tim' does not exist"):
        strategies.inputs(SPEC, at={"tim": 3})


@given(strategies.axis_sizes(Axis("time", min=5, max=100, multiple_of=8), hints=(24, 25)))
@QUICK
def test_sizes_keep_range_and_multiple(size):
    assert size % 8 == 0
    assert 8 <= size <= 96


@given(strategies.axis_sizes(Axis.fixed_at("time", 16, 4, 64)))
@QUICK
def test_buckets_are_the_only_sizes(size):
    assert size in (4, 16, 64)


def test_needles_are_drawn():
    found = find(strategies.axis_sizes(Axis("time", max=4096), hints=(1234,)), lambda size: size == 1234, settings=LONG)
    assert found == 1234


def test_sizes_shrink_to_the_smallest():
    assert find(strategies.sizes(SPEC), lambda sizes: True, settings=QUICK) == {"batch": 1, "time": 3}
    found = find(strategies.inputs(SPEC), lambda tensors: tensors["signal"].shape[1] > 9, settings=LONG)
    assert found["signal"].shape == (1, 10, 4)


def test_values_come_from_a_small_seed():
    assert find(strategies.seeds(), lambda seed: True, settings=QUICK) == 0


@given(strategies.masks(3, st.integers(1, 9)))
@QUICK
def test_masks_are_right_padded(mask):
    assert mask.shape[0] == 3
    assert bool(mask[0].all())
    assert bool(mask[:, 0].all())


@given(strategies.masks(2, 6, side="left"))
@QUICK
def test_masks_are_left_padded(mask):
    assert bool(mask[:, -1].all())
    assert mask.dtype == torch.int64


def test_a_mask_has_two_sides():
    with pytest.raises(OptionError, match="side='top'"):
        strategies.masks(2, 3, side="top")


@given(strategies.inputs({"pair": (TensorSpec("n", 3), TensorSpec("m", dtype=torch.int64, high="n")), "flag": True}))
@QUICK
def test_nested_inputs_are_the_keywords_of_a_call(keywords):
    rows, index = keywords["pair"]
    assert keywords["flag"] is True
    assert rows[index].shape == (len(index), 3)
