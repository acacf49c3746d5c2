import pytest
import torch

from pytest_torchscript.errors import InputError
from pytest_torchscript.inputs.values import first_of_each, make_inputs, pad_inputs, redraw, variations
from pytest_torchscript.spec import InputSpec, TensorSpec

TEXT = InputSpec(
    {
        "input_ids": TensorSpec(
            "batch", "sequence", dtype=torch.int64, low=0, high=50, role="ids", pad=1, special=(0, 1, 2)
        ),
        "attention_mask": TensorSpec("batch", "sequence", dtype=torch.int64, role="mask", optional=True),
        "token_type_ids": TensorSpec(
            "batch", "sequence", dtype=torch.int64, low=0, high=2, role="types", optional=True
        ),
    }
)
SIGNAL = InputSpec({"signal": TensorSpec("batch", "time", 4), "gain": TensorSpec("batch")})
SIZES = {"batch": 3, "sequence": 7, "time": 5}


def differing(left, right):
    return [name for name in left if not torch.equal(left[name], right[name])]


def test_inputs_have_the_shapes_asked_for_and_are_equal_for_an_equal_seed():
    made = make_inputs(TEXT, SIZES, 0)
    assert {name: tuple(value.shape) for name, value in made.items()} == dict.fromkeys(TEXT, (3, 7))
    torch.manual_seed(5)
    assert differing(made, make_inputs(TEXT, SIZES, 0)) == []
    assert differing(made, make_inputs(TEXT, SIZES, 1)) == list(TEXT)


def test_an_input_is_drawn_alike_whatever_stands_beside_it():
    alone = make_inputs(TEXT.without("attention_mask", "token_type_ids"), SIZES, 3)
    assert torch.equal(alone["input_ids"], make_inputs(TEXT, SIZES, 3)["input_ids"])


def test_a_sum_of_axes_is_one_dim():
    spec = InputSpec({"mask": TensorSpec("batch", "past + sequence", role="mask")})
    assert make_inputs(spec, {"batch": 2, "past": 3, "sequence": 4}, 0)["mask"].shape == (2, 7)


@pytest.mark.parametrize("name", list(TEXT))
def test_redraw_changes_one_input_alone(name):
    made = make_inputs(TEXT, SIZES, 0)
    assert differing(made, redraw(TEXT, made, name, 1)) == [name]


def test_redrawing_a_mask_hides_one_real_position():
    made = make_inputs(TEXT, SIZES, 0)
    for seed in range(10):
        mask = redraw(TEXT, made, "attention_mask", seed)["attention_mask"]
        assert int((made["attention_mask"] - mask).sum()) == 1
        assert int(mask.sum(-1).min()) >= 1


def test_a_mask_of_one_position_has_nothing_to_hide():
    made = {"input_ids": torch.ones(1, 1), "attention_mask": torch.ones(1, 1, dtype=torch.int64)}
    assert redraw(TEXT, made, "attention_mask", 0)["attention_mask"].tolist() == [[1]]


def test_a_coarse_mask_hides_a_run():
    spec = InputSpec({"mask": TensorSpec("batch", "samples", role="mask", low=4)})
    mask = redraw(spec, {"mask": torch.ones(1, 20, dtype=torch.int64)}, "mask", 0)["mask"]
    assert int(mask.sum()) == 10
    pixels = InputSpec({"mask": TensorSpec("batch", "height", "width", role="pixel_mask")})
    assert int(redraw(pixels, {"mask": torch.ones(1, 4, 6)}, "mask", 0)["mask"].sum()) == 12


@pytest.mark.parametrize("side", ["right", "left"])
def test_padding_adds_pad_ids_zero_masks_and_copied_rows(side):
    made = make_inputs(TEXT, SIZES, 0)
    padded = pad_inputs(TEXT, made, SIZES, {"batch": 4, "sequence": 9}, side=side)
    added = slice(7, None) if side == "right" else slice(0, 2)
    kept = slice(0, 7) if side == "right" else slice(2, None)
    rows = slice(0, 3) if side == "right" else slice(1, None)
    assert {tuple(value.shape) for value in padded.values()} == {(4, 9)}
    assert padded["input_ids"][:, added].unique().tolist() == [1]
    assert padded["attention_mask"][:, added].unique().tolist() == [0]
    assert torch.equal(padded["input_ids"][rows, kept], made["input_ids"])
    assert int(padded["attention_mask"].sum(-1).min()) >= 1


def test_padding_down_is_refused():
    with pytest.raises(InputError, match="cannot pad dim 'sequence' from 7 down to 5"):
        pad_inputs(TEXT, make_inputs(TEXT, SIZES, 0), SIZES, {"sequence": 5})


def test_padding_leaves_inputs_alone_that_the_spec_does_not_know():
    extra = {"other": torch.ones(2)}
    assert pad_inputs(TEXT, extra, SIZES, {"sequence": 9})["other"] is extra["other"]


def test_variations_of_a_text():
    found = dict(variations(TEXT, SIZES, 0))
    masks = {name: value["attention_mask"] for name, value in found.items() if name.startswith("mask")}
    assert next(iter(found)) == "mask unpadded"
    assert bool(masks["mask unpadded"].all())
    assert not masks["mask right-padded"][:, -1].any()
    assert not masks["mask left-padded"][:, 0].any()
    assert masks["mask one real position"].sum(-1).tolist() == [1, 1, 1]
    assert masks["mask last position only"][:, -1].tolist() == [1, 1, 1]
    hidden = found["ids pad under the mask"]
    assert bool((hidden["input_ids"][hidden["attention_mask"] == 0] == 1).all())
    assert bool(found["ids pad without a mask"]["attention_mask"].all())
    assert {
        int(found[f"ids {name}"]["input_ids"].unique()) for name in ("first", "last", "special 1", "special 2")
    } == {
        0,
        1,
        2,
        49,
    }
    assert len(found["ids repeated"]["input_ids"].unique()) == 1


def test_of_each_kind_of_variation_there_is_a_first():
    found = [label for label, _ in first_of_each(variations(TEXT, SIZES, 0))]
    assert found[:2] == ["mask unpadded", "ids pad under the mask"]
    assert len({label.partition(" ")[0] for label in found}) == len(found) < len(list(variations(TEXT, SIZES, 0)))


def test_variations_are_all_different_and_legal():
    found = [make_inputs(TEXT, SIZES, 0), *(value for _, value in variations(TEXT, SIZES, 0))]
    for index, value in enumerate(found):
        assert 0 <= int(value["input_ids"].min()) <= int(value["input_ids"].max()) < 50
        assert int(value["attention_mask"].sum(-1).min()) >= 1
        assert all(differing(value, other) for other in found[:index])


def test_one_input_is_also_varied_with_the_other_as_it_was():
    base = make_inputs(SIGNAL, SIZES, 0)
    found = dict(variations(SIGNAL, SIZES, 0))
    assert differing(base, found["gain all negative"]) == ["gain"]
    assert differing(base, found["signal zeros"]) == ["signal"]


@pytest.mark.parametrize(
    ("branch", "spec"),
    [
        (lambda x: x["attention_mask"].all(), TEXT),
        (lambda x: x["attention_mask"][:, 0].all(), TEXT),
        (lambda x: (x["input_ids"] == 1).any(), TEXT),
        (lambda x: x["input_ids"].max() > 48, TEXT),
        (lambda x: (x["input_ids"] == x["input_ids"][:, :1]).all(), TEXT),
        (lambda x: x["signal"].sum() > 0, SIGNAL),
        (lambda x: x["signal"].any(), SIGNAL),
        (lambda x: x["signal"].abs().max() > 10, SIGNAL),
        (lambda x: x["signal"].norm() < 1e-1, SIGNAL),
        (lambda x: len(x["signal"].argmax(-1).unique()) == 4, SIGNAL),
        (lambda x: x["gain"].min() > 0, SIGNAL),
    ],
)
def test_branches_on_data_are_taken_both_ways(branch, spec):
    taken = {bool(branch(value)) for value in (make_inputs(spec, SIZES, 0), *dict(variations(spec, SIZES, 0)).values())}
    assert taken == {True, False}
