"""Whole sets of inputs: fresh ones, redrawn ones, padded ones, and the variations that flush out baked values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import torch

from pytest_torchscript.errors import InputError
from pytest_torchscript.inputs.caches import CACHE_PREFIX
from pytest_torchscript.inputs.draw import (
    IDS,
    draw,
    fewest_real,
    generator_for,
    is_float,
    is_mask,
)
from pytest_torchscript.inputs.edges import float_edges, integer_edges, mask_edges, padded_ids
from pytest_torchscript.spec import InputSpec, Sizes, TensorSpec, dim_name

Tensors = dict[str, torch.Tensor]
EdgeMaker = Callable[[TensorSpec, torch.Tensor, torch.Generator], Iterator[tuple[str, torch.Tensor]]]

#: So many inputs are varied one by one; more would cost more passes than they find.
_ONE_BY_ONE = 4


def make_inputs(spec: InputSpec, sizes: Sizes, seed: int, *, only: Iterable[str] | None = None) -> Tensors:
    """Return a fresh tensor for every input at the given sizes, or for some: equal for an equal seed, on every machine.

    Masks are right-padded, each row differently, the first one full; identifiers are mostly ordinary, seldom special.
    Raises InputError where a fill does, or where a bound leaves no value at these sizes.
    """
    shaped = spec.at(sizes)
    names = shaped if only is None else only
    return {name: draw(shaped[name], shaped[name].shape(sizes), generator_for(seed, name)) for name in names}


def redraw(spec: InputSpec, inputs: Mapping[str, torch.Tensor], name: str, seed: int) -> Tensors:
    """Return the same inputs with one of them redrawn; of a mask, one real position is hidden."""
    tensor, generator = inputs[name], generator_for(seed, f"redraw {name}")
    shaped = spec[name].at(spec.sizes_of(inputs))
    fresh = _hide(shaped, tensor, generator) if is_mask(shaped) else draw(shaped, tensor.shape, generator)
    return {**inputs, name: fresh.to(tensor.dtype)}


def _hide(spec: TensorSpec, mask: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Hide one real position of a row that has others; where positions are coarse (samples, pixels), a run of them."""
    rows = mask.reshape(-1, mask.shape[-1]).clone()
    fewest = fewest_real(spec)
    if mask.dim() > 2 and spec.role == "pixel_mask":
        return _hide_columns(mask)
    counts = (rows != 0).sum(-1)
    candidates = (counts > fewest).nonzero().flatten()
    if not len(candidates):
        return mask.clone()
    row = int(candidates[int(torch.randint(0, len(candidates), (1,), generator=generator))])
    real = (rows[row] != 0).nonzero().flatten()
    if fewest > 1:
        rows[row, real[max(fewest, len(real) // 2) :]] = 0
    else:
        # Not the first: a causal model would leave that query without any key.
        rows[row, real[1 + int(torch.randint(0, len(real) - 1, (1,), generator=generator))]] = 0
    return rows.reshape(mask.shape)


def _hide_columns(mask: torch.Tensor) -> torch.Tensor:
    hidden = mask.clone()
    hidden[..., -(-mask.shape[-1] // 2) :] = 0
    return hidden


def pad_inputs(
    spec: InputSpec, inputs: Mapping[str, torch.Tensor], sizes: Sizes, target: Sizes, *, side: str = "right"
) -> Tensors:
    """Return inputs padded from `sizes` to `target`: pad ids, zero masks, zeros. Rows are repeated to fill a batch.

    A padded row of zeros would be masked throughout, where a softmax has nothing to weigh; a copy is always legal.
    """
    return {
        name: _padded(name, spec[name], value, sizes, target, side) if name in spec else value
        for name, value in inputs.items()
    }


def _padded(name: str, spec: TensorSpec, value: torch.Tensor, sizes: Sizes, target: Sizes, side: str) -> torch.Tensor:
    wanted = spec.shape({**sizes, **target})
    for index, (dim, size) in enumerate(zip(spec.dims, wanted)):
        missing = size - value.shape[index]
        if missing < 0:
            raise InputError(
                f"input {name!r}: cannot pad dim {dim_name(dim)!r} from {value.shape[index]} down to {size}",
                hint="pad to a size that is at least the input's own",
            )
        if missing:
            block = _block(spec, value, index, missing, repeat=dim_name(dim) == "batch")
            value = torch.cat([block, value] if side == "left" else [value, block], dim=index)
    return value


def _block(spec: TensorSpec, value: torch.Tensor, index: int, missing: int, *, repeat: bool) -> torch.Tensor:
    shape = list(value.shape)
    shape[index] = missing
    if repeat and value.shape[index]:
        return value.narrow(index, value.shape[index] - 1, 1).expand(shape)
    return torch.full(shape, 0 if is_mask(spec) else spec.pad, dtype=value.dtype)


def variations(spec: InputSpec, sizes: Sizes, seed: int) -> Iterator[tuple[str, Tensors]]:
    """Yield named inputs at one size whose values may take another branch, the likeliest to do so first.

    Masks left-, right- and un-padded, with one real position, with holes; padding ids under the mask and without one;
    the first, the last and the special identifiers, one identifier repeated; floats all positive, all negative, zero,
    constant, tiny and huge within their range; booleans all true and all false. None is yielded twice.
    """
    base = make_inputs(spec, sizes, seed)
    seen: list[Tensors] = [base]
    for label, changes in _changes(spec.at(sizes), base, seed):
        made = {**base, **changes}
        if not any(_equal(made, other) for other in seen):
            seen.append(made)
            yield label, made


def first_of_each(varied: Iterator[tuple[str, Tensors]]) -> Iterator[tuple[str, Tensors]]:
    """Yield of `variations` the first of each kind: of masks, of ids, of floats, of each input by itself."""
    kinds: set[str] = set()
    for label, inputs in varied:
        kind = label.partition(" ")[0]
        if kind not in kinds:
            kinds.add(kind)
            yield label, inputs


def _changes(spec: InputSpec, base: Tensors, seed: int) -> Iterator[tuple[str, Tensors]]:
    masks = {name: tensor for name, tensor in spec.items() if is_mask(tensor)}
    free = {name: tensor for name, tensor in spec.items() if tensor.fill is None and name not in masks}
    ids = {name: tensor for name, tensor in free.items() if tensor.role in IDS}
    floats = {name: tensor for name, tensor in free.items() if is_float(tensor)}
    whole = {name: tensor for name, tensor in free.items() if name not in ids and name not in floats}
    yield from _together(masks, base, seed, mask_edges, prefix="mask")
    yield from _pads(masks, ids, base)
    yield from _together(ids, base, seed, integer_edges, prefix="ids")
    yield from _together(floats, base, seed, float_edges, prefix="values")
    yield from _together(whole, base, seed, integer_edges, prefix="values")
    for kind, edges in ((ids, integer_edges), (floats, float_edges), (whole, integer_edges)):
        single = [name for name in kind if not name.startswith(CACHE_PREFIX)]  # a cache varies as a whole
        if len(free) > 1 and len(single) <= _ONE_BY_ONE:
            for name in single:
                yield from _together({name: kind[name]}, base, seed, edges, prefix=name)


def _together(
    inputs: Mapping[str, TensorSpec], base: Tensors, seed: int, edges: EdgeMaker, *, prefix: str
) -> Iterator[tuple[str, Tensors]]:
    """Yield each edge for all of the inputs at once; an input that has no such edge stays as it is."""
    made: dict[str, Tensors] = {}
    for name, tensor in inputs.items():
        for label, value in edges(tensor, base[name], generator_for(seed, f"edge {name}")):
            made.setdefault(label, {})[name] = value
    for label, changes in made.items():
        yield f"{prefix} {label}", changes


def _pads(
    masks: Mapping[str, TensorSpec], ids: Mapping[str, TensorSpec], base: Tensors
) -> Iterator[tuple[str, Tensors]]:
    """Yield padding ids under the masks that hide them, then the same ids with nothing hidden."""
    changes = {name: padded_ids(tensor, base[name], masks, base) for name, tensor in ids.items()}
    if changes:
        yield "ids pad under the mask", changes
        yield "ids pad without a mask", {**changes, **{name: torch.ones_like(base[name]) for name in masks}}


def _equal(left: Tensors, right: Tensors) -> bool:
    return all(value is right[name] or torch.equal(value, right[name]) for name, value in left.items())
