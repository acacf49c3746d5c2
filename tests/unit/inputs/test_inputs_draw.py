import pytest
import torch

from pytest_torchscript.errors import InputError
from pytest_torchscript.inputs.draw import CLOSED_IDS, draw, generator_for
from pytest_torchscript.spec import TensorSpec


def drawn(spec, *shape, seed=0):
    return draw(spec, shape, generator_for(seed, "x"))


def test_integers_stay_in_their_range():
    values = drawn(TensorSpec("batch", dtype=torch.int64, low=-3, high=4), 500)
    assert values.dtype == torch.int64
    assert (int(values.min()), int(values.max())) == (-3, 3)


def test_integers_without_a_range_are_zero_or_one():
    assert set(drawn(TensorSpec("batch", dtype=torch.int32), 50).tolist()) == {0, 1}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_floats_are_normal_without_a_range_and_inside_it_with_one(dtype):
    free = drawn(TensorSpec("n", dtype=dtype), 2000).float()
    assert abs(float(free.mean())) < 0.1
    assert abs(float(free.std()) - 1) < 0.1
    ranged = drawn(TensorSpec("n", dtype=dtype, low=2.0, high=3.0), 2000).float()
    assert float(ranged.min()) >= 2
    assert float(ranged.max()) <= 3


def test_one_end_alone_bounds_floats():
    assert float(drawn(TensorSpec("n", low=0.0), 100).min()) >= 0
    assert float(drawn(TensorSpec("n", high=0.0), 100).max()) < 0


def test_booleans_and_complex_numbers():
    assert set(drawn(TensorSpec("n", dtype=torch.bool), 50).tolist()) == {True, False}
    assert drawn(TensorSpec("n", dtype=torch.complex64), 5).is_complex()


def test_a_scalar_input_has_no_dims():
    assert drawn(TensorSpec(low=0.0, high=1.0)).shape == ()


def test_special_ids_are_drawn_rarely():
    spec = TensorSpec("n", role="ids", low=0, high=100, special=(0, 7, 99))
    values = drawn(spec, 4000)
    share = sum(float((values == value).float().mean()) for value in (0, 7, 99))
    assert 0.03 < share < 0.1
    assert (int(values.min()), int(values.max())) == (0, 99)
    ordinary = values[(values != 0) & (values != 7) & (values != 99)]
    assert len(set(ordinary.tolist())) == 97


def test_a_vocabulary_of_special_ids_alone_is_still_drawn():
    values = drawn(TensorSpec("n", role="ids", low=0, high=2, special=(0, 1)), 50)
    assert set(values.tolist()) <= {0, 1}


def test_closed_rows_end_in_their_closing_id_and_hold_it_nowhere_else():
    spec = TensorSpec("batch", "sequence", role=CLOSED_IDS, low=0, high=20, special=(1, 19))
    values = drawn(spec, 6, 9)
    assert (values == 19).sum(-1).tolist() == [1] * 6
    assert values[:, -1].tolist() == [19] * 6


def test_masks_are_right_padded_and_their_rows_differ():
    mask = drawn(TensorSpec("batch", "sequence", role="mask"), 5, 11)
    lengths = mask.sum(-1).tolist()
    assert mask.dtype == torch.int64
    assert lengths[0] == 11
    assert len(set(lengths)) == 5
    assert min(lengths) >= 1
    assert torch.equal(mask, (torch.arange(11) < torch.tensor(lengths)[:, None]).long())


def test_a_mask_keeps_as_many_real_positions_as_its_low_says():
    mask = drawn(TensorSpec("batch", "samples", role="mask", low=400), 4, 900)
    assert int(mask.sum(-1).min()) >= 400
    assert drawn(TensorSpec("batch", "samples", role="mask", low=400), 2, 100).all()


def test_a_mask_of_choices_has_a_length_a_choice():
    mask = drawn(TensorSpec("batch", "choices", "sequence", role="mask"), 2, 3, 8)
    assert mask.shape == (2, 3, 8)
    assert len(set(mask.sum(-1).flatten().tolist())) > 3


def test_pixel_masks_are_rectangles():
    mask = drawn(TensorSpec("batch", "height", "width", role="pixel_mask"), 3, 8, 6)
    rows, columns = mask.amax(2).sum(1), mask.amax(1).sum(1)
    assert mask.sum((1, 2)).tolist() == (rows * columns).tolist()
    assert mask[0].all()
    assert not mask[1].all()


def test_boxes_are_ordered():
    boxes = drawn(TensorSpec("batch", "boxes", 4, role="boxes"), 3, 20, 4)
    assert bool((boxes[..., 0] <= boxes[..., 2]).all())
    assert bool((boxes[..., 1] <= boxes[..., 3]).all())
    assert 0 <= int(boxes.min()) <= int(boxes.max()) <= 1000
    shares = drawn(TensorSpec("batch", 4, role="boxes", dtype=torch.float32, low=0.0, high=1.0), 9, 4)
    assert shares.is_floating_point()
    assert bool((shares[:, 0] <= shares[:, 2]).all())


def test_positions_count_up():
    assert drawn(TensorSpec("batch", "n", role="positions"), 2, 3).tolist() == [[0, 1, 2], [0, 1, 2]]


def test_fill_replaces_everything():
    spec = TensorSpec("n", fill=lambda generator, shape: torch.full(shape, 3))
    assert drawn(spec, 2).tolist() == [3, 3]


@pytest.mark.parametrize(
    ("fill", "said"),
    [
        (lambda generator, shape: torch.zeros(1), "fill returned (1,), expected a tensor of shape=(2,)"),
        (lambda generator, shape: None, "fill returned NoneType"),
        (lambda generator, shape: 1 / 0, "fill raised at shape=(2,): ZeroDivisionError"),
    ],
)
def test_a_wrong_fill_is_refused(fill, said):
    with pytest.raises(InputError, match="fill takes a torch") as caught:
        drawn(TensorSpec("n", fill=fill), 2)
    assert said in str(caught.value)


def test_generators_depend_on_seed_and_name_alone():
    torch.manual_seed(1)
    first = drawn(TensorSpec("n"), 4)
    torch.manual_seed(2)
    assert torch.equal(first, drawn(TensorSpec("n"), 4))
    assert not torch.equal(first, drawn(TensorSpec("n"), 4, seed=1))
    other = torch.randn(4, generator=generator_for(0, "y"))
    assert not torch.equal(first, other)
