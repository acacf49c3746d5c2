"""Indices that may differ: where two candidates tie, either is right.

Only a float leaf of the same output can show a tie, and only one that the index really ranks: eager's index must pick
that leaf's largest (or smallest) values, in order. An index whose values the model does not return stays exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from pytest_torchscript.compare.floats import FloatLeaf, plain, widen

if TYPE_CHECKING:
    from pytest_torchscript.compare.leaves import Pair

#: What a leaf allows, given the gap of two candidates and the magnitude of the one eager chose.
Within = Callable[[FloatLeaf, torch.Tensor, torch.Tensor], torch.Tensor]


def untied(index: Pair, floats: Sequence[FloatLeaf], within: Within) -> torch.Tensor:
    """Return where an index leaf differs and no float leaf shows that the two candidates tie."""
    actual, expected = plain(index.actual).long(), plain(index.expected).long()
    differs = actual != expected
    for leaf in floats:
        if not bool(differs.any()):
            break
        if leaf.pair.expected.is_complex():
            continue
        for tied in _ties(actual, expected, leaf, within):
            differs &= ~tied
    return differs


def _ties(actual: torch.Tensor, expected: torch.Tensor, leaf: FloatLeaf, within: Within) -> Iterator[torch.Tensor]:
    values = widen(leaf.pair.expected)
    for dim in range(values.dim()):
        reduced = values.shape[:dim] + values.shape[dim + 1 :]
        if expected.shape == reduced:
            tied = _tied_along(actual.unsqueeze(dim), expected.unsqueeze(dim), values, dim, leaf, within)
            if tied is not None:
                yield tied.squeeze(dim)
        elif expected.dim() == values.dim() and _fits(expected, values, dim):
            tied = _tied_along(actual, expected, values, dim, leaf, within)
            if tied is not None:
                yield tied
            elif expected.shape == values.shape:
                yield _tied_ranks(actual, expected, values, dim, leaf, within)


def _fits(index: torch.Tensor, values: torch.Tensor, dim: int) -> bool:
    other = [index.shape[axis] == size for axis, size in enumerate(values.shape) if axis != dim]
    return all(other) and index.shape[dim] <= values.shape[dim]


def _tied_along(
    actual: torch.Tensor, expected: torch.Tensor, values: torch.Tensor, dim: int, leaf: FloatLeaf, within: Within
) -> torch.Tensor | None:
    """Return where the candidates tie, or None where eager's index does not rank these values."""
    size = values.shape[dim]
    if not _ranks(expected, values, dim):
        return None
    inside = (actual >= 0) & (actual < size)
    chosen = values.gather(dim, expected)
    other = values.gather(dim, actual.clamp(0, size - 1))
    return inside & _distinct(actual, dim) & within(leaf, (chosen - other).abs(), chosen.abs())


def _ranks(index: torch.Tensor, values: torch.Tensor, dim: int) -> bool:
    size = values.shape[dim]
    if not index.numel() or bool((index < 0).any()) or bool((index >= size).any()):
        return False
    picked = values.gather(dim, index)
    count = index.shape[dim]
    return any(torch.equal(picked, values.topk(count, dim, largest=largest).values) for largest in (True, False))


def _distinct(index: torch.Tensor, dim: int) -> torch.Tensor:
    """Return where a row names every candidate once, as a ranking does."""
    ordered = index.sort(dim).values
    same = ordered.diff(dim=dim) == 0
    return ~same.any(dim, keepdim=True)


def _tied_ranks(
    actual: torch.Tensor, expected: torch.Tensor, values: torch.Tensor, dim: int, leaf: FloatLeaf, within: Within
) -> torch.Tensor:
    """Return where two ranks swapped their candidates: ``values`` are those of a sort or top-k, the scores unseen."""
    steps = values.diff(dim=dim)
    tied = torch.zeros_like(expected, dtype=torch.bool)
    if not (bool((steps <= 0).all()) or bool((steps >= 0).all())):
        return tied
    actual, expected, values = (tensor.movedim(dim, -1) for tensor in (actual, expected, values))
    rows = (actual != expected).any(-1)
    where = actual[rows].unsqueeze(-1) == expected[rows].unsqueeze(-2)
    rank = where.to(torch.uint8).argmax(-1)
    gap = (values[rows] - values[rows].gather(-1, rank)).abs()
    known = where.any(-1) & _distinct(actual[rows], -1)
    tied.movedim(dim, -1)[rows] = known & within(leaf, gap, values[rows].abs())
    return tied
