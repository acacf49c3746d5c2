"""Fill one tensor from a generator: what a role means in values.

Everything is drawn by a generator of its own, so that neither torch's global state nor another input changes it.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import cast

import torch

from pytest_torchscript.errors import InputError, first_line
from pytest_torchscript.spec import TensorSpec

MASK = "mask"
PIXEL_MASK = "pixel_mask"
#: Identifiers of which every row ends in the last of the special ones, which stands nowhere else (CLIP, BART's heads).
CLOSED_IDS = "closed_ids"
IDS = ("ids", CLOSED_IDS)

#: One identifier in so many is a special one: often enough to be felt, rare enough to leave most rows ordinary.
_SPECIAL_ONE_IN = 16
#: Coordinates of layout models are normalised to a page of 1000 by 1000.
_BOX_HIGH = 1001


_BROUGHT = "inputs are drawn there, from a generator of the CPU, and brought to the device of the model"


def generator_for(seed: int, name: str) -> torch.Generator:
    """Return the generator of one input: other inputs and torch's global state do not move it."""
    generator = torch.Generator()
    generator.manual_seed((seed * 1_000_003 + zlib.crc32(name.encode())) % 2**62)
    return generator


def is_mask(spec: TensorSpec) -> bool:
    """Whether an input marks real positions with 1 and padded ones with 0."""
    return spec.role in (MASK, PIXEL_MASK)


def dtype_of(spec: TensorSpec) -> torch.dtype:
    """Return the dtype an input is made in: float32 unless it says otherwise, int64 for a mask or identifiers."""
    if spec.dtype is not None:
        return spec.dtype
    whole = is_mask(spec) or spec.role in (*IDS, "types", "positions", "boxes")
    return torch.int64 if whole else torch.float32


def is_float(spec: TensorSpec) -> bool:
    """Whether an input holds real or complex numbers."""
    dtype = dtype_of(spec)
    return dtype.is_floating_point or dtype.is_complex


def bounds(spec: TensorSpec) -> tuple[int, int]:
    """Return the whole numbers an integer input may hold: low inclusive, high exclusive.

    Without a range only 0 and 1 are drawn: the two values that every index accepts.
    """
    low, high = range_of(spec)
    first = int(low) if low is not None else 0
    return first, int(high) if high is not None else first + (_BOX_HIGH if spec.role == "boxes" else 2)


def range_of(spec: TensorSpec) -> tuple[float | None, float | None]:
    """Return low and high as numbers; those that are axes must have been put in by `TensorSpec.at` before."""
    for label, bound in (("low", spec.low), ("high", spec.high)):
        if isinstance(bound, str):
            raise InputError(
                f"TensorSpec: {label}={bound!r} is an axis whose size is not given", hint="use spec.at(sizes)"
            )
    return cast("tuple[float | None, float | None]", (spec.low, spec.high))


def draw(spec: TensorSpec, shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
    """Return a fresh tensor of the given shape for one input."""
    size = tuple(shape)
    if spec.fill is not None:
        return _filled(spec, size, generator)
    if spec.role == MASK:
        return right_padded(size, generator, fewest=fewest_real(spec)).to(dtype_of(spec))
    if spec.role == PIXEL_MASK:
        return pixel_mask(size, generator).to(dtype_of(spec))
    if spec.role in IDS:
        return _ids(spec, size, generator).to(dtype_of(spec))
    if spec.role == "positions":
        return _positions(spec, size).to(dtype_of(spec))
    if spec.role == "boxes" and size and size[-1] == 4:
        return _boxes(spec, size, generator)
    return _plain(spec, size, generator)


def _filled(spec: TensorSpec, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    try:
        value = spec.fill(generator, shape) if spec.fill is not None else None
    except Exception as error:
        raise InputError(
            f"TensorSpec: fill raised at shape={shape}: {first_line(error)}",
            hint="fill takes a torch.Generator, a shape and, if it likes, the sizes by axis; it returns a tensor"
            + (f"; {_BROUGHT}" if "device" in str(error) else ""),
        ) from error
    if not isinstance(value, torch.Tensor) or tuple(value.shape) != shape:
        made = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
        raise InputError(
            f"TensorSpec: fill returned {made}, expected a tensor of shape={shape}",
            hint="fill takes a torch.Generator and a shape, and returns a tensor of that shape",
        )
    if value.device.type != "cpu":
        raise InputError(
            f"TensorSpec: fill returned a tensor on {value.device}", hint=f"make it on the CPU: {_BROUGHT}"
        )
    declared = spec.dtype is not None and spec.dtype.is_floating_point and value.is_floating_point()
    return value.to(spec.dtype) if declared else value


def _plain(spec: TensorSpec, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    dtype = dtype_of(spec)
    if dtype == torch.bool:
        return torch.randint(0, 2, shape, generator=generator).to(dtype)
    if not is_float(spec):
        return torch.randint(*bounds(spec), shape, generator=generator).to(dtype)
    low, high = range_of(spec)
    if low is not None and high is not None:
        return _below(high, (torch.rand(shape, generator=generator) * (high - low) + low).to(dtype))
    values = clamped(spec, torch.randn(shape, generator=generator)).to(dtype)
    return values if high is None else _below(high, values)


def _below(high: float, values: torch.Tensor) -> torch.Tensor:
    """Return values below `high`, which half precision rounds up to."""
    if values.dtype not in (torch.float16, torch.bfloat16):
        return values
    return values.float().clamp(max=high - torch.finfo(values.dtype).eps * abs(high)).to(values.dtype)


def clamped(spec: TensorSpec, values: torch.Tensor) -> torch.Tensor:
    """Return values moved into the range of a float input: just below `high`, which is exclusive."""
    low, high = range_of(spec)
    if values.dtype == torch.float16:  # torch 1.13 does not clamp it on the CPU
        values = values.float()
    if high is not None:
        values = values.clamp(max=high - 1e-3 * max(abs(high - (low or 0.0)), 1e-3))
    return values if low is None else values.clamp(min=low)


def _ids(spec: TensorSpec, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Draw identifiers: mostly ordinary ones, now and then a special one."""
    low, high = bounds(spec)
    special = sorted({value for value in spec.special if low <= value < high})
    values = torch.randint(0, max(high - low - len(special), 1), shape, generator=generator) + low
    for value in special:  # skip over each special id, smallest first: what is left is uniform over the others
        values = values + (values >= value).long()
    values = values.clamp(max=high - 1)
    closing = closing_id(spec)
    rare = [value for value in special if value != closing]
    if rare:
        chosen = torch.tensor(rare)[torch.randint(0, len(rare), shape, generator=generator)]
        seldom = torch.randint(0, _SPECIAL_ONE_IN, shape, generator=generator) == 0
        values = torch.where(seldom, chosen, values)
    return closed(values, closing)


def is_whole_number(spec: TensorSpec) -> bool:
    """Whether an input holds counts, lengths or indices of no known role."""
    return not spec.role and not is_float(spec) and spec.dtype is not torch.bool


def is_drawn_freely(spec: TensorSpec) -> bool:
    """Whether the values at one position say nothing of those at others: then positions may be repeated or left out."""
    return spec.fill is None and spec.role not in (CLOSED_IDS, "positions")


def closing_id(spec: TensorSpec) -> int | None:
    """Return the id that must end every row, or None."""
    return spec.special[-1] if spec.role == CLOSED_IDS and spec.special else None


def closed(values: torch.Tensor, closing: int | None) -> torch.Tensor:
    """Return identifiers whose rows end in `closing`."""
    if closing is None or values.numel() == 0:
        return values
    values = values.clone()
    values[..., -1] = closing
    return values


def _positions(spec: TensorSpec, shape: tuple[int, ...]) -> torch.Tensor:
    first, past = bounds(spec)
    low, high = (first, past) if spec.high is not None else (first, 2**31)
    return (torch.arange(shape[-1]) % (high - low) + low).expand(shape).clone()


def _boxes(spec: TensorSpec, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Draw x0, y0, x1, y1 with x0 <= x1 and y0 <= y1."""
    corners = _plain(spec.updated(role=""), (*shape[:-1], 2, 2), generator) if is_float(spec) else None
    if corners is None:
        corners = torch.randint(*bounds(spec), (*shape[:-1], 2, 2), generator=generator).to(dtype_of(spec))
    return corners.sort(dim=-2).values.reshape(shape)


def fewest_real(spec: TensorSpec) -> int:
    """Return how many positions of a mask's row are real at least: its `low`, or one."""
    return max(1, int(range_of(spec)[0] or 1))


def row_lengths(rows: int, longest: int, generator: torch.Generator, *, fewest: int = 1) -> torch.Tensor:
    """Return how many positions of each row are real: the first row is full, the others differ while they can."""
    fewest = min(fewest, longest)
    choices = max(longest - fewest, 1)
    order = torch.randperm(choices, generator=generator)
    lengths = fewest + order[torch.arange(max(rows - 1, 0)) % choices]
    return torch.cat([torch.tensor([longest]), lengths])[:rows]


def right_padded(shape: Sequence[int], generator: torch.Generator, *, fewest: int = 1) -> torch.Tensor:
    """Return a mask whose rows are real up to a length of their own, the first row wholly."""
    *lead, longest = shape
    rows = 1
    for size in lead:
        rows *= size
    lengths = row_lengths(rows, longest, generator, fewest=fewest)
    return (torch.arange(longest) < lengths[:, None]).long().reshape(tuple(shape))


def pixel_mask(shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
    """Return a mask of pictures: real in a rectangle at the top left, at least half as high and wide."""
    *lead, height, width = shape
    rows = 1
    for size in lead:
        rows *= size
    high = row_lengths(rows, height, generator, fewest=max(1, -(-height // 2)))
    wide = row_lengths(rows, width, generator, fewest=max(1, -(-width // 2)))
    inside_rows = torch.arange(height)[None, :, None] < high[:, None, None]
    inside_columns = torch.arange(width)[None, None, :] < wide[:, None, None]
    return (inside_rows & inside_columns).long().reshape(tuple(shape))
