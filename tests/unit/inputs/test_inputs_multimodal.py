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
