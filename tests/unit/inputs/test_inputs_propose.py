import torch
from torch import nn

from pytest_torchscript.inputs.declare import propose_axes
from pytest_torchscript.inputs.propose import find_axes
from tests.feeding import Question, dims


def test_axes_of_one_input_move_alone():
    asked = Question(nn.Linear(16, 4).forward)
    spec = propose_axes(asked, {"input": torch.randn(2, 7, 16)})
    assert dims(spec) == {"input": ["batch", "time", 16]}
    assert asked.passes < 20


NAMES = {("x", 0): "batch", ("x", 1): "channels", ("x", 2): "height", ("x", 3): "width"}


def moving(model, *sizes):
    """What moves of a picture whose dims have names, the step of each, and the calls that it took to find out."""
    asked = Question(lambda x: model(x))
    axes = find_axes(asked, {"x": torch.randn(sizes)}, names=NAMES, measured=False)
    return {axis.name: axis.multiple_of for axis in axes.values()}, asked.passes


def test_dims_that_have_names_are_asked_about_at_once():
    every = {"batch": 1, "channels": 1, "height": 1, "width": 1}
    assert moving(torch.relu, 2, 3, 64, 96) == (every, 2)
    assert moving(nn.Conv2d(3, 4, 3), 2, 3, 64, 96) == ({"batch": 1, "height": 1, "width": 1}, 5)


def test_what_moves_in_steps_or_together_is_not_found_at_once():
    halves = nn.PixelUnshuffle(2)
    assert moving(halves, 2, 3, 64, 96)[0] == {"batch": 1, "channels": 1, "height": 2, "width": 2}
    assert moving(lambda x: x @ x, 2, 3, 64, 64)[0] == {"batch": 1, "channels": 1, "height": 1}  # one axis, of two dims


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
