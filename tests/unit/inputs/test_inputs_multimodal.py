"""inputs/multimodal.py: pictures stand in a text by as many ids as the model makes features of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import PretrainedConfig

from pytest_torchscript.inputs.infer import infer_inputs
from pytest_torchscript.inputs.values import make_inputs

PICTURE, OPENS = 7, 8


def config(**values: Any) -> Any:
    text = PretrainedConfig(vocab_size=50, hidden_size=8, max_position_embeddings=64)
    text.vocab_size, text.max_position_embeddings = 50, 64
    vision = PretrainedConfig(image_size=28, patch_size=14, num_channels=3, spatial_merge_size=2, **values)
    found: Any = PretrainedConfig()
    found.text_config, found.vision_config = text, vision
    found.image_token_id = PICTURE
    found.vision_start_token_id = OPENS
    return found


class Plain:
    """Pictures as they are."""

    main_input_name = "input_ids"

    def forward(self, input_ids: Any, pixel_values: Any = None, attention_mask: Any = None) -> Any:
        return input_ids, pixel_values, attention_mask

    def get_image_features(self, pixel_values: Any) -> None: ...


class Patches(Plain):
    """Patches with their grid, and which ids are a picture's."""

    def forward(  # type: ignore[override]
        self, input_ids: Any, pixel_values: Any = None, image_grid_thw: Any = None, mm_token_type_ids: Any = None
    ) -> Any:
        return input_ids, pixel_values, image_grid_thw, mm_token_type_ids


class Tower:
    """The part that sees, alone."""

    main_input_name = "hidden_states"

    def forward(self, hidden_states: Any, grid_thw: Any) -> Any:
        return hidden_states, grid_thw


def test_as_many_ids_as_there_are_features_at_every_size() -> None:
    spec = infer_inputs(config(), Plain, ask=lambda _, given: 4 * len(given["pixel_values"]))
    assert list(spec.axes) == ["batch", "images", "sequence"]
    for sizes in ({"batch": 2, "images": 1, "sequence": 5}, {"batch": 3, "images": 2, "sequence": 1}):
        made = make_inputs(spec, sizes, seed=0)
        assert made["pixel_values"].shape == (sizes["batch"] * sizes["images"], 3, 28, 28)
        assert ((made["input_ids"] == PICTURE).sum(1) == 4 * sizes["images"]).all()
        assert (made["input_ids"][:, 0] == OPENS).all()
        assert made["attention_mask"].sum(1).min() > 6 * sizes["images"]
    assert spec.axes["sequence"].max == 64 - 3 * 6
    assert not spec.notes


def test_patches_come_with_their_grid() -> None:
    def ask(method: str, given: Any) -> int:
        assert method == "get_image_features"
        assert int(given["image_grid_thw"].prod(1).sum()) == len(given["pixel_values"])
        return int(given["image_grid_thw"].prod(1).sum()) // 4

    spec = infer_inputs(config(temporal_patch_size=2), Patches, ask=ask)
    assert list(spec.axes) == ["batch", "images", "rows", "columns", "sequence"]
    made = make_inputs(spec, {"batch": 2, "images": 2, "rows": 2, "columns": 3, "sequence": 4}, seed=0)
    assert made["pixel_values"].shape == (2 * 2 * 4 * 2 * 3, 3 * 2 * 14 * 14)
    assert made["image_grid_thw"].tolist() == [[1, 4, 6]] * 4
    assert torch.equal(made["mm_token_type_ids"] == 1, made["input_ids"] == PICTURE)
    assert (made["input_ids"] == PICTURE).sum(1).tolist() == [12, 12]


def test_a_tower_takes_patches_and_grids_alone() -> None:
    spec = infer_inputs(config(), Tower, ask=lambda *_: 1)
    assert list(spec.axes) == ["images", "rows", "columns"]
    made = make_inputs(spec, {"images": 3, "rows": 1, "columns": 2}, seed=0)
    assert made["hidden_states"].shape == (3 * 4 * 2, 3 * 14 * 14)
    assert made["grid_thw"].tolist() == [[1, 2, 4]] * 3


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ValueError("pictures of another kind"), "ValueError: pictures of another kind"),
        (5, "it does not make twice as many features of two pictures as of one"),
    ],
    ids=["refused", "constant"],
)
def test_a_text_without_pictures_says_why(answer: Any, said: str) -> None:
    def ask(*_: Any) -> int:
        if isinstance(answer, Exception):
            raise answer
        return int(answer)

    spec = infer_inputs(config(), Plain, ask=ask)
    assert list(spec) == ["input_ids", "attention_mask"]
    assert spec.notes == (f"the text is fed without pictures: no way was found to give them ({said})",)


def test_nothing_is_asked_where_pictures_do_not_stand_in_the_text() -> None:
    found = config()
    found.image_token_id = None

    def ask(*_: Any) -> int:
        raise AssertionError("asked")

    assert "pixel_values" in infer_inputs(found, Plain, ask=ask)


def takes(*shapes: tuple[str, tuple[int, ...]]) -> Any:
    """Return a model that takes inputs of these shapes alone."""

    def ask(method: str, given: Any) -> int:
        if [(name, tuple(given[name].shape)) for name, _ in shapes] != list(shapes):
            raise RuntimeError("another shape")
        return 1

    return ask


class Merged:
    """A part that sees, told how many patches become one token."""

    main_input_name = "pixel_values"

    def forward(self, pixel_values: Any, image_grid_thw: Any, merge_sizes: Any) -> Any:
        return pixel_values, image_grid_thw, merge_sizes


def test_what_becomes_one_token_may_come_as_one_patch() -> None:
    spec = infer_inputs(config(), Merged, ask=takes(("pixel_values", (12, 28, 28, 3))))
    made = make_inputs(spec, {"images": 2, "rows": 1, "columns": 3}, seed=0)
    assert made["pixel_values"].shape == (6, 28, 28, 3)
    assert made["image_grid_thw"].tolist() == [[1, 1, 3]] * 2
    assert made["merge_sizes"].tolist() == [2, 2]


class Strip:
    """The patches of all pictures side by side."""

    main_input_name = "pixel_values"

    def forward(self, pixel_values: Any, target_sizes: Any = None) -> Any:
        return pixel_values, target_sizes


def test_a_strip_of_patches_comes_with_the_sizes_of_its_pictures() -> None:
    spec = infer_inputs(config(), Strip, ask=takes(("pixel_values", (1, 3, 14, 14 * 4 * 2 * 6))))
    made = make_inputs(spec, {"images": 3, "rows": 1, "columns": 2}, seed=0)
    assert made["pixel_values"].shape == (1, 3, 14, 14 * 4 * 3 * 2)
    assert made["target_sizes"].tolist() == [[2, 4]] * 3
    assert list(infer_inputs(config(), Strip, ask=takes(("pixel_values", (1,))))) == ["pixel_values"]


class Placed:
    """Patches, each with the column and row that it comes from."""

    main_input_name = "pixel_values"

    def forward(self, pixel_values: Any, pixel_position_ids: Any) -> Any:
        return pixel_values, pixel_position_ids


def test_patches_come_with_the_column_and_row_of_each() -> None:
    spec = infer_inputs(config(pooling_kernel_size=2), Placed, ask=lambda *_: 1)
    made = make_inputs(spec, {"batch": 2, "rows": 1, "columns": 2}, seed=0)
    assert made["pixel_values"].shape == (2, 8, 3 * 14 * 14)
    assert made["pixel_position_ids"][1].tolist() == [[column, row] for row in range(2) for column in range(4)]


class Questioned(Plain):
    """A question is asked of each picture."""

    def forward(  # type: ignore[override]
        self, pixel_values: Any, qformer_input_ids: Any, input_ids: Any = None, attention_mask: Any = None
    ) -> Any:
        return pixel_values, qformer_input_ids, input_ids, attention_mask


def test_a_question_goes_with_each_picture_and_its_answer_takes_a_fixed_number_of_ids() -> None:
    found = config()
    found.num_query_tokens, found.qformer_config = 5, PretrainedConfig()
    found.qformer_config.vocab_size = 20
    film = ("pixel_values", (2, 4, 3, 28, 28))
    spec = infer_inputs(found, Questioned, ask=takes(film, ("qformer_input_ids", (2, 7))))
    made = make_inputs(spec, {"batch": 2, "images": 1, "qformer_sequence": 3, "sequence": 4}, seed=0)
    assert made["pixel_values"].shape == (2, 4, 3, 28, 28)
    assert made["qformer_input_ids"].shape == (2, 3)
    assert made["qformer_input_ids"].max() < 20
    assert (made["input_ids"] == PICTURE).sum(1).tolist() == [20, 20]


class Marked(Plain):
    """Where a picture goes is marked, whatever ids stand there."""

    def forward(  # type: ignore[override]
        self, pixel_values: Any, input_ids: Any = None, image_embeds_position_mask: Any = None
    ) -> Any:
        return pixel_values, input_ids, image_embeds_position_mask


def test_places_of_pictures_are_marked() -> None:
    found = config()
    found.image_token_id = None
    spec = infer_inputs(found, Marked, ask=lambda _, given: 4 * len(given["pixel_values"]))
    made = make_inputs(spec, {"batch": 2, "images": 2, "sequence": 3}, seed=0)
    assert made["image_embeds_position_mask"].sum(1).tolist() == [8, 8]
