"""The values at the edges of one input: what a branch on data is likely to ask about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from pytest_torchscript.inputs.draw import (
    PIXEL_MASK,
    bounds,
    clamped,
    closed,
    closing_id,
    dtype_of,
    fewest_real,
    is_mask,
    pixel_mask,
    row_lengths,
)
from pytest_torchscript.spec import TensorSpec

Edges = Iterator[tuple[str, torch.Tensor]]

TINY, LARGE = 1e-3, 1e3


def mask_edges(spec: TensorSpec, base: torch.Tensor, generator: torch.Generator) -> Edges:
    """Yield the masks people make: whole, padded at either end, one real position, holes."""
    if not is_mask(spec) or base.dim() == 0 or base.numel() == 0:
        return
    yield "unpadded", torch.ones_like(base)
    if spec.role == PIXEL_MASK:
        yield (
            "all padded",
            torch.flip(pixel_mask((base.shape[0] + 1, *base.shape[1:]), generator)[1:], (0,)).to(base.dtype),
        )
        return
    longest, rows = base.shape[-1], base.numel() // base.shape[-1]
    fewest = min(fewest_real(spec), longest)
    lengths = row_lengths(rows + 1, longest, generator, fewest=fewest)[1:, None]
    places = torch.arange(longest)
    patterns = [("left-padded", places >= longest - lengths), ("right-padded", places < lengths)]
    patterns.append(("one real position", (places < fewest).expand(rows, -1)))
    if fewest == 1:
        patterns.append(("last position only", (places == longest - 1).expand(rows, -1)))
        holes = torch.rand((rows, longest), generator=generator) < 0.5
        patterns.append(("holes", holes | (places == 0)))
    for label, pattern in patterns:
        yield label, pattern.reshape(base.shape).to(base.dtype)


def padded_ids(
    spec: TensorSpec, base: torch.Tensor, masks: Mapping[str, TensorSpec], values: Mapping[str, torch.Tensor]
) -> torch.Tensor:
    """Return identifiers that are padding where the mask of their shape is 0, or in the last third without one."""
    if base.dim() == 0 or base.numel() == 0:
        return base
    same = (values[name] for name in masks if values[name].shape == base.shape)
    longest = base.shape[-1]
    real = next(same, torch.arange(longest).expand(base.shape) < -(-2 * longest // 3)) != 0
    padded = torch.where(real, base, torch.full_like(base, int(spec.pad)))
    closing = closing_id(spec)
    if closing is None:
        return padded
    last = (real.long() * torch.arange(1, longest + 1)).argmax(-1, keepdim=True)
    return padded.scatter(-1, last, closing)


def integer_edges(spec: TensorSpec, base: torch.Tensor, generator: torch.Generator) -> Edges:  # noqa: ARG001
    """Yield whole numbers at the ends of their range, special ones, and one value repeated."""
    if dtype_of(spec) == torch.bool:
        yield "all true", torch.ones_like(base)
        yield "all false", torch.zeros_like(base)
        return
    low, high = bounds(spec)
    special = [value for value in dict.fromkeys(spec.special) if low <= value < high]
    ordinary = [value for value in base.flatten()[:64].tolist() if value not in special]
    constants = [("repeated", ordinary[0])] if ordinary else []
    constants += [("first", low), ("last", high - 1), *((f"special {value}", value) for value in special)]
    constants += [("ones", 1)] if low <= 1 < high else []
    seen = set()
    for label, value in constants:
        if value not in seen:
            seen.add(value)
            yield f"{label}", closed(torch.full_like(base, value), closing_id(spec))


def float_edges(spec: TensorSpec, base: torch.Tensor, generator: torch.Generator) -> Edges:  # noqa: ARG001
    """Yield floats of one sign, zero, constant, tiny and huge, moved into the declared range."""
    if spec.role == "boxes":  # any other order of the corners is no box
        yield "zeros", torch.zeros_like(base)
        return
    made = [
        ("all negative", -base.abs()),
        ("all positive", base.abs()),
        ("zeros", torch.zeros_like(base)),
        ("sign flipped", -base),
        ("large", base * LARGE),
        ("tiny", base * TINY),
        ("ones", torch.ones_like(base)),
        ("constant", torch.full_like(base, -0.5)),
        ("repeated", _repeated(base)),
    ]
    for label, values in made:
        yield label, values if values.is_complex() else clamped(spec, values).to(base.dtype)


def _repeated(base: torch.Tensor) -> torch.Tensor:
    """Return the first position of every row everywhere: no token differs from its neighbour."""
    if base.dim() == 0:
        return base
    if base.dim() < 2 or base.shape[1] == 0:
        return base.flatten()[:1].expand(base.shape).clone() if base.numel() else base
    return base[:, :1].expand(base.shape).clone()
