import torch

from pytest_torchscript.inputs.edges import float_edges, integer_edges, mask_edges, padded_ids
from pytest_torchscript.inputs.values import variations
from pytest_torchscript.spec import InputSpec, TensorSpec

SIGNAL = InputSpec({"signal": TensorSpec("batch", "time", 4), "gain": TensorSpec("batch")})


SIZES = {"batch": 3, "sequence": 7, "time": 5}


def test_variations_of_floats_reach_both_signs_both_magnitudes_and_zero():
    found = {name: value["signal"] for name, value in variations(SIGNAL, SIZES, 0)}
    assert float(found["values all negative"].max()) <= 0
    assert float(found["values all positive"].min()) >= 0
    assert not found["values zeros"].any()
    assert float(found["values large"].abs().max()) > 100
    assert float(found["values tiny"].abs().max()) < 0.1
    assert bool((found["values repeated"] == found["values repeated"][:, :1]).all())


def test_floats_stay_in_their_range():
    spec = InputSpec({"share": TensorSpec("batch", low=0.0, high=1.0)})
    for _, value in variations(spec, {"batch": 9}, 0):
        assert 0 <= float(value["share"].min()) <= float(value["share"].max()) < 1


def test_booleans_are_all_true_and_all_false():
    spec = InputSpec({"flag": TensorSpec("batch", dtype=torch.bool)})
    found = {name: value["flag"].tolist() for name, value in variations(spec, {"batch": 4}, 0)}
    assert found["values all true"] == [True] * 4
    assert found["values all false"] == [False] * 4


def test_pixel_masks_are_varied_as_rectangles():
    spec = InputSpec({"pixel_mask": TensorSpec("batch", "height", "width", role="pixel_mask")})
    found = dict(variations(spec, {"batch": 2, "height": 6, "width": 6}, 0))
    assert list(found) == ["mask unpadded", "mask all padded"]
    assert not found["mask all padded"]["pixel_mask"][:, -1, -1].any()


def test_a_number_without_dims_has_edges() -> None:
    spec = InputSpec(
        {"x": TensorSpec("batch", 3), "scale": TensorSpec(), "count": TensorSpec(dtype=torch.int64, low=1, high=9)}
    )
    made = dict(variations(spec, {"batch": 2}, 0))
    assert all(each["scale"].shape == each["count"].shape == () for each in made.values())
    assert {int(each["count"]) for each in made.values()} >= {1, 8}


def test_ids_are_padding_where_their_mask_hides_them_and_close_before_it():
    spec = TensorSpec("batch", "sequence", dtype=torch.int64, low=0, high=9, role="closed_ids", pad=1, special=(0, 8))
    masks = {"mask": TensorSpec("batch", "sequence", dtype=torch.int64, role="mask")}
    values = {"mask": torch.tensor([[1, 1, 1, 0]])}
    found = padded_ids(spec, torch.tensor([[3, 4, 5, 8]]), masks, values)
    assert found.tolist() == [[3, 4, 8, 1]]
    without = padded_ids(TensorSpec("batch", "sequence", pad=1), torch.tensor([[3, 4, 5]]), {}, {})
    assert without.tolist() == [[3, 4, 1]]


def test_what_is_no_mask_has_no_masks_and_a_box_no_other_corners():
    generator = torch.Generator().manual_seed(0)
    ids = TensorSpec("batch", "sequence", dtype=torch.int64, low=0, high=9)
    assert list(mask_edges(ids, torch.ones(2, 3), generator)) == []
    boxes = TensorSpec("batch", "boxes", 4, role="boxes")
    assert [label for label, _ in float_edges(boxes, torch.rand(1, 2, 4), generator)] == ["zeros"]
    assert [label for label, _ in integer_edges(ids, torch.tensor([[4, 5]]), generator)] == [
        "repeated",
        "first",
        "last",
        "ones",
    ]
