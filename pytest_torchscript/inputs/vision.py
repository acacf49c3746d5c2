"""Rules of pictures: their size from the configuration, half to twice of it, and what goes beside them."""

from __future__ import annotations

from typing import Any

import torch

from pytest_torchscript.inputs.draw import PIXEL_MASK
from pytest_torchscript.inputs.reading import Hints, Reading, batch_axis
from pytest_torchscript.inputs.text import text_dims
from pytest_torchscript.spec import Axis, Dim, TensorSpec

VISION: Hints = ("vision", "image", "encoder")
#: What models are trained at that state no size of their own (ResNet, DETR).
USUAL_SIZE = 224
#: Pictures beside one text, where they do not stand in it.
PICTURES = Axis("images", min=1, max=4, typical=2)
#: Detected regions of one picture.
_MOST_BOXES = 64


def pixel_values(reading: Reading) -> TensorSpec | None:
    """Pictures; a film where the configuration counts frames.

    Where a picture stands for placeholder ids in the text (LLaVA), the text is fed alone.
    """
    if reading.main_input == "inputs":
        return None
    if reading.takes("input_ids") and reading.value("image_token_id", "image_token_index") is not None:
        return None
    frames: Dim | None = reading.number("num_frames", within=VISION)
    if reading.takes("input_ids", "image_attention_mask"):
        frames = PICTURES
    dims: tuple[Dim, ...] = (batch_axis(), *([frames] if frames else []), channels(reading), *picture_axes(reading))
    return TensorSpec(
        *dims, optional=reading.main_input != "pixel_values" and reading.value("visual_embed") is not None
    )


def pixel_values_videos(reading: Reading) -> TensorSpec | None:
    """Films, where they are what the model is for."""
    frames = reading.number("num_frames", "frames_per_clip", within=VISION)
    if reading.main_input != "pixel_values_videos" or not frames:
        return None
    return TensorSpec(batch_axis(), frames, channels(reading), *picture_axes(reading))


def pair_of_pictures(reading: Reading) -> TensorSpec:
    """Two pictures of one scene."""
    return TensorSpec(batch_axis(), 2, channels(reading), *picture_axes(reading))


def channels(reading: Reading) -> int:
    """Return how many channels a picture has."""
    return reading.number("num_channels", "in_channels", "in_chans", within=VISION) or 3


def picture_axes(reading: Reading) -> tuple[Axis, Axis]:
    """Return height and width: from half to twice the model's own size, which is tried where others are refused."""
    height, width = picture_size(reading.value("image_size", "input_size", "img_size", "crop_size", within=VISION))
    ratios = reading.value("scaled_images_ratios")
    if ratios:  # what parts read is cut out of the picture and of smaller ones, of which the smallest is one such part
        height, width = (int(side / min(ratios)) for side in (height, width))
    if reading.takes("prompt_pixel_values"):  # a picture is laid below its prompt, and both are one
        height //= 2
    return _side("height", height), _side("width", width)


def _side(name: str, size: int) -> Axis:
    return Axis(name, min=max(1, size // 2), max=2 * size, typical=size)


def picture_size(value: Any) -> tuple[int, int]:
    """Return (height, width) of an image size as configurations write it: a number, a pair or a mapping."""
    if isinstance(value, dict):
        value = [value.get("height", value.get("shortest_edge")), value.get("width", value.get("shortest_edge"))]
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value, value
    if isinstance(value, (list, tuple)) and len(value) >= 2 and all(isinstance(item, int) for item in value[-2:]):
        return int(value[-2]), int(value[-1])
    return USUAL_SIZE, USUAL_SIZE


def pixel_mask(reading: Reading) -> TensorSpec | None:
    """1 where a pixel is real: pictures of unequal sizes are padded at the right and below."""
    if pixel_values(reading) is None:
        return None
    return TensorSpec(
        batch_axis(), *picture_axes(reading), dtype=torch.int64, low=0, high=2, role=PIXEL_MASK, optional=True
    )


def image_attention_mask(reading: Reading) -> TensorSpec:
    """1 where a token sees a picture."""
    return TensorSpec(*text_dims(reading), PICTURES, dtype=torch.int64, low=0, high=2)


def visual_feats(reading: Reading) -> TensorSpec:
    """Features of the regions that a detector found."""
    width = reading.require("visual_feat_dim", "visual_embedding_dim", needed_by="visual_feats")
    return TensorSpec(batch_axis(), Axis("boxes", max=_MOST_BOXES), width)


def visual_pos(reading: Reading) -> TensorSpec:
    """Where those regions stand, as shares of the picture."""
    width = reading.number("visual_pos_dim") or 4
    return TensorSpec(
        batch_axis(), Axis("boxes", max=_MOST_BOXES), width, dtype=torch.float32, low=0.0, high=1.0, role="boxes"
    )
