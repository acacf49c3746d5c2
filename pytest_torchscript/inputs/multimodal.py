"""Pictures in a text: placeholder ids where the processor would put them, as many as the model makes features of a picture.

How many that are is asked of the model itself (`get_image_features`), for one picture and for two: no formula of patches,
merges and crops is repeated here. What pictures come as is read from the signature: patches with their grid, crops, or plain.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from pytest_torchscript.errors import first_line
from pytest_torchscript.inputs.draw import draw
from pytest_torchscript.inputs.reading import Reading, batch_axis, configurations
from pytest_torchscript.inputs.text import TEXT, identifiers, text_dims
from pytest_torchscript.inputs.vision import VISION, channels, picture_size
from pytest_torchscript.spec import Axis, Dim, TensorSpec

#: Calls a method of the model with keywords and returns how many rows of features come back. Raises what it raises.
Ask = Callable[[str, Mapping[str, Any]], int]

#: Pictures in one row of text.
IMAGES = Axis("images", min=1, max=3, typical=2)
#: Pictures of more patches than this are fed smaller, where the model takes them so.
_MANY_PATCHES = 300
#: A grid of patches, in units of what is merged into one token: small, and not square.
ROWS, COLUMNS = Axis("rows", min=1, max=8, typical=2), Axis("columns", min=1, max=8, typical=3)
#: What is asked of each picture, where a part of the model reads that alone; and the frames of a film.
_QUESTIONS = "qformer_input_ids"
_QUESTION, _FRAMES = Axis("qformer_sequence", max=512, typical=7), 4
#: Around the ids of one picture stand one that opens and one that closes it.
_AROUND = 2

_TOKENS = (
    "image_token_id",
    "image_token_index",
    "image_patch_id",
    "image_placeholder_id",
    "video_token_id",
    "video_token_index",
)
#: Says where in the text the parts of a picture go, whatever ids stand there.
_PLACES = "image_embeds_position_mask"
#: How towers name the grids of their patches.
_GRIDS = ("grid_thw", "image_grid_thw")
_OPENS = ("vision_start_token_id", "image_start_token_id", "boi_token_id", "boi_token_index", "image_begin_token_id")
_CLOSES = ("vision_end_token_id", "image_end_token_id", "eoi_token_id", "eoi_token_index")


@dataclass(frozen=True)
class Pictures:
    """How a model takes pictures: the inputs beside the text for one picture a unit, and the ids that each takes there.

    ``tokens`` are the dims whose product is the number of ids of one picture.
    """

    inputs: Mapping[str, TensorSpec]
    tokens: tuple[str | int, ...]
    axes: tuple[Axis, ...] = ()

    def count(self, sizes: Mapping[str, int]) -> int:
        """Return how many ids stand for one picture."""
        return math.prod(sizes[each] if isinstance(each, str) else each for each in self.tokens)


@dataclass(frozen=True)
class Joined:
    """Inputs of a text with pictures in it, by name, the axes that only products name, and what is to be said of them."""

    inputs: Mapping[str, TensorSpec] = field(default_factory=dict)
    axes: Mapping[str, Axis] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def placeholder(reading: Reading) -> int | None:
    """Return the id that stands for a part of a picture; None where pictures do not stand in the text."""
    found = reading.value(*_TOKENS, default=0 if reading.takes(_PLACES) else None)
    counted = hasattr(reading.model_class, "get_image_features") or reading.takes(_QUESTIONS)
    named = reading.takes("input_ids", "pixel_values") and counted
    return found if named and isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def pictures_in_text(reading: Reading, ask: Ask) -> Joined:
    """Return the inputs of a text with pictures in it; none where pictures do not stand in the text, or cannot be given."""
    if not reading.takes("input_ids") and any(reading.takes(name) for name in _GRIDS):
        return _tower(reading, ask)
    if not reading.takes("input_ids") and reading.takes("pixel_values", "target_sizes"):
        return _strip(reading, ask)
    if placeholder(reading) is None:
        return _laid_out(reading)
    said: list[str] = []
    for way in _ways(reading):
        try:
            found = _taken(reading, way, ask) if _QUESTIONS in way.inputs else _counted(way, ask)
        except Exception as error:  # not this way
            said.append(first_line(error))
            continue
        if found is not None:
            sequence = text_dims(reading)[-1]
            assert isinstance(sequence, Axis)
            longest = max(1, sequence.max - IMAGES.max * _longest(found))
            axes = {axis.name: axis for axis in (IMAGES, *found.axes, replace(sequence, max=longest))}
            return Joined({**_text(reading, found), **found.inputs}, axes)
    why = said[-1] if said else "it does not make twice as many features of two pictures as of one"
    return Joined(notes=(f"the text is fed without pictures: no way was found to give them ({why})",))


def _tower(reading: Reading, ask: Ask) -> Joined:
    """Return the inputs of a part that takes patches and their grids alone; none where it takes them in no shape."""
    grid = next(name for name in _GRIDS if reading.takes(name))
    merge = _merge(reading)
    beside = {"merge_sizes": _constant(merge, IMAGES.name)} if reading.takes("merge_sizes") else {}
    ways = _patches(reading, IMAGES.name)
    return _first_taken(
        (({**dict(zip((reading.main_input, grid), way.inputs.values())), **beside}, way.axes) for way in ways), ask
    )


def _strip(reading: Reading, ask: Ask) -> Joined:
    """Return the patches of all pictures side by side in one strip, and the height and width of each picture in patches."""
    patch = _patch(reading)

    def strips() -> Iterator[tuple[dict[str, TensorSpec], tuple[Axis, ...]]]:
        for unit in (1, 2, 4):  # windows and merges want multiples
            width = "*".join(map(str, (patch * unit**2, IMAGES.name, ROWS.name, COLUMNS.name)))
            sizes = TensorSpec(IMAGES.name, 2, dtype=torch.int64, fill=_in_patches(unit))
            pixels = TensorSpec(1, channels(reading), patch, width)
            yield {"pixel_values": pixels, "target_sizes": sizes}, (ROWS, COLUMNS)

    return _first_taken(strips(), ask)


def _first_taken(ways: Iterable[tuple[dict[str, TensorSpec], tuple[Axis, ...]]], ask: Ask) -> Joined:
    """Return the first inputs that the model takes, with their axes and that of the pictures; none where it takes none: the
    message of the rules says what is missing."""
    for inputs, axes in ways:
        try:
            ask("forward", _drawn(inputs, axes, images=2))
        except Exception:
            continue
        return Joined(inputs, {axis.name: axis for axis in (IMAGES, *axes)})
    return Joined()


def _in_patches(unit: int) -> Callable[..., torch.Tensor]:
    """Return a fill that tells each picture's height and width in patches, `unit` of which a side go together."""

    def fill(generator: torch.Generator, shape: tuple[int, ...], sizes: Mapping[str, int]) -> torch.Tensor:  # noqa: ARG001
        return torch.tensor([unit * sizes[ROWS.name], unit * sizes[COLUMNS.name]]).expand(shape).clone()

    return fill


def _laid_out(reading: Reading) -> Joined:
    """Return patches in rows of one length, and beside them where they come from: each picture's height and width in
    patches, or each patch's column and row."""
    placed = reading.takes("pixel_values", "pixel_position_ids") and not reading.takes("input_ids")
    if not placed and not reading.takes("pixel_values", "spatial_shapes"):
        return Joined()
    pooled = (reading.number("pooling_kernel_size", within=VISION) or 1) if placed else 1

    def real(generator: torch.Generator, shape: tuple[int, ...]) -> torch.Tensor:  # noqa: ARG001
        return torch.ones(shape, dtype=torch.int64)

    def places(generator: torch.Generator, shape: tuple[int, ...], sizes: Mapping[str, int]) -> torch.Tensor:  # noqa: ARG001
        columns = pooled * sizes[COLUMNS.name]
        index = torch.arange(shape[-2])
        return torch.stack([index % columns, index // columns], -1).expand(shape).clone()

    count = "*".join(map(str, (*([pooled**2] if placed else []), ROWS.name, COLUMNS.name)))
    found = {
        "pixel_values": TensorSpec(batch_axis(), count, channels(reading) * _patch(reading) ** 2),
        "pixel_position_ids": TensorSpec(batch_axis(), count, 2, dtype=torch.int64, fill=places),
        "pixel_attention_mask": TensorSpec(batch_axis(), count, dtype=torch.int64, fill=real),
        "spatial_shapes": TensorSpec(batch_axis(), 2, dtype=torch.int64, fill=_in_patches(1)),
    }
    return Joined(
        {name: spec for name, spec in found.items() if reading.takes(name)}, {a.name: a for a in (ROWS, COLUMNS)}
    )


def _longest(pictures: Pictures) -> int:
    return _AROUND + pictures.count({axis.name: axis.max for axis in pictures.axes})


def _ways(reading: Reading) -> Iterator[Pictures]:
    """Yield the ways pictures may be given, those first that the signature names."""
    planes = channels(reading)
    each = f"{batch_axis().name}*{IMAGES.name}"
    if reading.takes("image_grid_thw"):
        yield from _patches(reading, each)
        return
    if reading.takes(_QUESTIONS):
        yield from _questioned(reading, each)
        return
    for height, width in _sides(reading):
        plain = TensorSpec(each, planes, height, width)
        if reading.takes("image_sizes"):
            sizes = _constant((height, width), each)
            yield Pictures({"pixel_values": plain, "image_sizes": sizes}, ())
            for crops in (2, 3, 5):
                crop = TensorSpec(each, crops, planes, height, width)
                yield Pictures({"pixel_values": crop, "image_sizes": sizes}, ())
        yield Pictures({"pixel_values": plain}, ())
        yield Pictures({"pixel_values": TensorSpec(batch_axis(), IMAGES, planes, height, width)}, ())


def _questioned(reading: Reading, each: str) -> Iterator[Pictures]:
    """Yield pictures, and films, each with a question that is read of it alone: its answer takes a fixed number of ids."""
    high, count = reading.number("vocab_size", within=("qformer",)), reading.number("num_query_tokens")
    asked = TensorSpec(each, _QUESTION.name, dtype=torch.int64, low=0, high=high)
    for height, width in _sides(reading):
        for frames in ((), (_FRAMES,)):
            film = TensorSpec(each, *frames, channels(reading), height, width)
            yield Pictures({"pixel_values": film, _QUESTIONS: asked}, (*frames, count or 1), (_QUESTION,))


def _taken(reading: Reading, way: Pictures, ask: Ask) -> Pictures:
    """Return a way whose number of ids is known, which the model takes with a text. Raises what the model raises."""
    ask("forward", _drawn({**_text(reading, way), **way.inputs}, way.axes, images=2))
    return way


def _sides(reading: Reading) -> Iterator[tuple[int, int]]:
    """Yield heights and widths: the configured ones first, or last where they make many patches."""
    configured = picture_size(reading.value("image_size", "input_size", "img_size", within=VISION))
    unit = _patch(reading) * (reading.number("spatial_merge_size", "scale_factor", within=VISION) or 1)
    small = [(2 * unit, 3 * unit), (4 * unit, 4 * unit)]
    many = configured[0] * configured[1] > _MANY_PATCHES * _patch(reading) ** 2
    yield from dict.fromkeys([*small, configured] if many else [configured, *small])


def _patch(reading: Reading) -> int:
    return reading.number("patch_size", "spatial_patch_size", within=VISION) or 14


def _merge(reading: Reading) -> int:
    """Return how many patches a side become one token."""
    names = ("spatial_merge_size", "merge_size", "merge_kernel_size", "downsample_factor")
    sides = reading.value(*names, within=VISION, default=1)
    side = sides[0] if isinstance(sides, (list, tuple)) else sides
    return side if isinstance(side, int) and side > 0 else 1


def _patches(reading: Reading, each: str) -> Iterator[Pictures]:
    """Yield patches laid flat, with the grid that each picture's came from."""
    number = reading.number
    patch = _patch(reading)
    merge = _merge(reading)
    films = number("temporal_patch_size", "patch_temporal", within=VISION)
    planes = channels(reading)

    def grids(unit: int) -> TensorSpec:
        def grid(generator: torch.Generator, shape: tuple[int, ...], sizes: Mapping[str, int]) -> torch.Tensor:  # noqa: ARG001
            return torch.tensor([1, unit * sizes[ROWS.name], unit * sizes[COLUMNS.name]]).expand(shape).clone()

        return TensorSpec(each, 3, dtype=torch.int64, fill=grid)

    merged = "*".join(map(str, (each, ROWS.name, COLUMNS.name)))
    total = f"{merge**2}*{merged}"
    flat = planes * patch**2
    shapes: tuple[tuple[int, tuple[Dim, ...]], ...] = (
        (merge, (total, flat * (films or 1))),
        (merge, (total, planes, patch, patch)),
        (1, (merged, merge * patch, merge * patch, planes)),  # what becomes one token comes as one patch
    )
    for unit, dims in shapes:
        inputs = {"pixel_values": TensorSpec(*dims), "image_grid_thw": grids(unit)}
        yield Pictures(inputs, (ROWS.name, COLUMNS.name), (ROWS, COLUMNS))


def _constant(values: int | tuple[int, ...], each: str) -> TensorSpec:
    """Return the spec of one number, or of a row of numbers, that are the same for each picture."""

    def fill(generator: torch.Generator, shape: tuple[int, ...]) -> torch.Tensor:  # noqa: ARG001
        return torch.tensor(values).expand(shape).clone()

    dims: tuple[Dim, ...] = (each,) if isinstance(values, int) else (each, len(values))
    return TensorSpec(*dims, dtype=torch.int64, fill=fill)


def _counted(way: Pictures, ask: Ask) -> Pictures | None:
    """Return a way with its count of ids; None where the model does not make twice as many features of two pictures."""
    one, two = (ask("get_image_features", _drawn(way.inputs, way.axes, images=images)) for images in (1, 2))
    sizes = {axis.name: axis.typical or 1 for axis in way.axes}
    if one < 1 or two != 2 * one:
        return None
    if not way.tokens:
        return replace(way, tokens=(one,))
    return way if way.count(sizes) == one else None


def _drawn(inputs: Mapping[str, TensorSpec], axes: Iterable[Axis], *, images: int) -> dict[str, torch.Tensor]:
    """Return small inputs of one row of text with so many pictures."""
    sizes = {"batch": 1, "sequence": 5, IMAGES.name: images, **{axis.name: axis.typical or 1 for axis in axes}}
    generator = torch.Generator().manual_seed(0)
    shaped = {name: spec.at(sizes) for name, spec in inputs.items()}
    return {name: draw(spec, spec.shape(sizes), generator) for name, spec in shaped.items()}


def _text(reading: Reading, pictures: Pictures) -> dict[str, TensorSpec]:
    """Return ids whose rows begin with the pictures, and what goes beside them: the mask, and which ids are a picture's."""
    token, (batch, *_, sequence) = placeholder(reading), text_dims(reading)
    assert token is not None
    assert isinstance(sequence, Axis)
    inside = "*".join(map(str, (IMAGES.name, *pictures.tokens)))
    columns = f"{inside} + {_AROUND}*{IMAGES.name}"
    dims: tuple[Dim, ...] = (batch, f"{columns} + {sequence.name}")
    ids = identifiers(reading, dims, TEXT, "input_ids")
    banned = sorted(_multimodal_ids(reading) - {0})
    around = [reading.value(*names) for names in (_OPENS, _CLOSES)]

    def layout(shape: tuple[int, ...], sizes: Mapping[str, int]) -> torch.Tensor:
        """Return 1 where an id is a picture's, 2 and 3 where one opens and closes it, 0 elsewhere."""
        count = pictures.count(sizes)
        one = torch.tensor([2, *[1] * count, 3])
        row = torch.zeros(shape[-1], dtype=torch.int64)
        row[: sizes[IMAGES.name] * len(one)] = one.repeat(sizes[IMAGES.name])
        return row.expand(shape)

    def fill(generator: torch.Generator, shape: tuple[int, ...], sizes: Mapping[str, int]) -> torch.Tensor:
        values = draw(ids, shape, generator)
        for value in banned:
            values = values.masked_fill(values == value, 1 if token != 1 else 3)
        places = layout(shape, sizes)
        for mark, value in ((1, token), (2, around[0]), (3, around[1])):
            if isinstance(value, int):
                values = values.masked_fill(places == mark, value)
        return values

    def types(generator: torch.Generator, shape: tuple[int, ...], sizes: Mapping[str, int]) -> torch.Tensor:  # noqa: ARG001
        return (layout(shape, sizes) == 1).long()

    found = {"input_ids": TensorSpec(*dims, dtype=torch.int64, fill=fill)}
    if reading.takes("attention_mask"):
        found["attention_mask"] = TensorSpec(
            *dims, dtype=torch.int64, low=f"{columns} + 1", high=None, role="mask", optional=True
        )
    for name in ("mm_token_type_ids", "token_type_ids", _PLACES):
        if reading.takes(name):
            found[name] = TensorSpec(*dims, dtype=torch.int64, fill=types)
    return found


def _multimodal_ids(reading: Reading) -> set[int]:
    """Return the ids that stand for pictures, films and sounds, in every part of the configuration."""
    words = ("image", "video", "vision", "audio", "boi", "eoi")
    return {
        value
        for config in configurations(reading.config)
        for name, value in vars(config).items()
        if name.endswith(("_id", "_index"))
        and any(word in name for word in words)
        and isinstance(value, int)
        and not isinstance(value, bool)
    }
