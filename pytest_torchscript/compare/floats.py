"""Compare one floating or complex leaf: non-finite positions, very large elements, all the rest by one tolerance."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from pytest_torchscript.compare.tolerances import LARGE, Closeness, GivenTolerance, decidable, real_dtype

if TYPE_CHECKING:
    from pytest_torchscript.compare.leaves import Pair

#: Eager's own error: of the ordinary elements, and of the large ones relative to themselves.
Noise = tuple[float, float]

#: Elements at a time: a float64 copy of a large leaf would be twice its size.
_CHUNK = 1 << 22


@dataclass(frozen=True)
class Allowance:
    """What one leaf allows at an element of magnitude m: ``absolute + relative x m``.

    Elements marked large are judged by ``large`` times their own magnitude instead.
    """

    absolute: float
    relative: float = 0.0
    large: float = 0.0


@dataclass
class FloatLeaf:
    """One leaf, flat and wide enough to subtract: half precision is compared in float32, which holds it exactly."""

    pair: Pair
    given: GivenTolerance | None
    number: int = 0
    tf32: bool = False
    actual: torch.Tensor = field(init=False)
    expected: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.actual, self.expected = widen(self.pair.actual).reshape(-1), widen(self.pair.expected).reshape(-1)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of eager's leaf; that of its values where it is quantised."""
        return torch.float32 if self.pair.expected.is_quantized else self.pair.expected.dtype

    @property
    def digits(self) -> torch.dtype:
        """The dtype that has as many digits as the leaf was computed with: TF32 has those of float16."""
        return torch.float16 if self.tf32 and self.dtype == torch.float32 else self.dtype

    @cached_property
    def magnitude(self) -> torch.Tensor:
        """|expected|, and 0 where that is not finite."""
        magnitude = self.expected.abs()
        return magnitude.masked_fill_(~torch.isfinite(magnitude), 0)

    @cached_property
    def nonfinite_differs(self) -> torch.Tensor | None:
        """Where one side is not finite and the other does not have exactly that; None where all is well."""
        settled = torch.isfinite(self.actual) & torch.isfinite(self.expected)
        if bool(settled.all()):
            return None
        differs = ~settled
        at = differs.nonzero().reshape(-1)
        differs[at] = ~_same(self.actual[at], self.expected[at])
        return differs if bool(differs.any()) else None

    @cached_property
    def difference(self) -> torch.Tensor:
        """|actual - expected|, and 0 where either is not finite."""
        difference = (self.actual - self.expected).abs()
        settled = torch.isfinite(self.actual) & torch.isfinite(self.expected)
        return difference.masked_fill_(~settled, 0)

    @cached_property
    def large(self) -> torch.Tensor | None:
        """The elements above 1e4 times the median non-zero magnitude, or None."""
        if self.given is not None:
            return None
        top = _max(self.magnitude)
        near_top = int((self.magnitude >= top / LARGE).sum())
        if top == 0 or 2 * near_top > self.magnitude.count_nonzero():  # the median is near the top: no need to find it
            return None
        large = self.magnitude > LARGE * float(self.magnitude[self.magnitude > 0].median())
        return large if bool(large.any()) else None

    @cached_property
    def scale(self) -> float:
        """max|expected| over finite elements that are not large."""
        return _max(self.magnitude if self.large is None else self.magnitude.masked_fill(self.large, 0))

    @cached_property
    def worst(self) -> float:
        """max|actual - expected| over the same elements."""
        return _max(self.difference if self.large is None else self.difference.masked_fill(self.large, 0))

    @cached_property
    def worst_large(self) -> float:
        """max|actual - expected| / |expected| over the large elements."""
        if self.large is None:
            return 0.0
        return _max(self.difference[self.large] / self.magnitude[self.large])

    @property
    def largest_difference(self) -> float:
        """max|actual - expected| over all elements that are finite on both sides."""
        return _max(self.difference)

    def noise(self, precise: torch.Tensor) -> Noise:
        """Return max|eager - float64|, over the ordinary elements and, relative to themselves, over the large ones.

        A fill value that follows the dtype (finfo.min) is another number in float64: that is no noise. Where the other answer
        is the coarser one, as float32 beside an eager in float64, the difference is its rounding: eager's own is smaller by
        the ratio of their units in the last place.
        """
        finer = torch.finfo(real_dtype(self.dtype)).eps / torch.finfo(real_dtype(precise.dtype)).eps
        ordinary = large = 0.0
        finite = torch.isfinite(self.expected)
        start = 0
        for chunk in torch.split(widen(precise).reshape(-1), _CHUNK):
            part = slice(start, start := start + chunk.numel())
            error = (self.expected[part] - chunk).abs()
            error.masked_fill_(~finite[part] | ~torch.isfinite(error), 0)
            if self.large is not None:
                inside = self.large[part]
                share = error[inside] / self.magnitude[part][inside]
                large = max(large, _max(share[share <= decidable(self.dtype)]))
                error.masked_fill_(inside, 0)
            ordinary = max(ordinary, _max(error))
        return ordinary * min(finer, 1.0), large * min(finer, 1.0)

    def allowance(self, closeness: Closeness, *, noise: Noise = (0.0, 0.0), wide: bool = False) -> Allowance:
        """Return max(k x noise, r x scale), or what the user gave."""
        if self.given is not None:
            return Allowance(self.given.atol, self.given.rtol)
        relative = closeness.relative(self.digits if wide else self.dtype, wide=wide)
        factor = closeness.noise_factor
        return Allowance(max(factor * noise[0], relative * self.scale), large=max(factor * noise[1], relative))

    def passes(self, allowance: Allowance) -> bool:
        """Whether every finite element is within its allowance."""
        if allowance.relative:
            return not bool((self.excess(allowance) > 0).any())
        return self.worst <= allowance.absolute and self.worst_large <= allowance.large

    def undecidable(self) -> bool:
        """Whether a difference that passed is so large a part of the scale that passing proves nothing."""
        return self.given is None and self.worst > decidable(self.digits) * self.scale

    def allowed(self, allowance: Allowance) -> torch.Tensor:
        """Return what is allowed at every element, in float64."""
        magnitude = self.magnitude.double()
        allowed = allowance.absolute + allowance.relative * magnitude
        if self.large is not None:
            allowed = torch.where(self.large, allowance.large * magnitude, allowed)
        return allowed

    def excess(self, allowance: Allowance) -> torch.Tensor:
        """Return by how much every element is beyond its allowance."""
        return self.difference.double() - self.allowed(allowance)

    def worst_position(self) -> int:
        """Return the flat position of the ordinary element that differs most."""
        return int((self.difference if self.large is None else self.difference.masked_fill(self.large, 0)).argmax())

    def required(self, allowance: Allowance) -> float:
        """Return the absolute tolerance that would have passed, beside the relative one that was allowed."""
        return _max(self.difference.double() - allowance.relative * self.magnitude.double())

    def forget(self) -> None:
        """Drop what is as large as the leaf; the scale is kept for leaves that index this one."""
        _ = self.scale
        for name in ("magnitude", "difference", "large", "nonfinite_differs"):
            self.__dict__.pop(name, None)

    def margin(self, allowance: Allowance) -> float:
        """Return max|actual - expected| / allowed; infinite where a difference meets an allowance of nothing."""
        if not allowance.relative:
            return max(_ratio(self.worst, allowance.absolute), _ratio(self.worst_large, allowance.large))
        at = self.difference > 0
        return _max(self.difference[at].double() / self.allowed(allowance)[at])


def widen(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor in a dtype that the CPU can subtract and take the median of."""
    tensor = plain(tensor)
    if tensor.dtype in (torch.float32, torch.float64, torch.complex64, torch.complex128):
        return tensor
    return tensor.to(torch.complex64) if tensor.is_complex() else tensor.float()


def plain(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor as strided numbers on the CPU."""
    tensor = tensor.detach()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    return tensor.cpu().resolve_conj().resolve_neg()


def _same(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    if left.is_complex():
        return _same(torch.view_as_real(left), torch.view_as_real(right)).all(dim=-1)
    return (left == right) | (left.isnan() & right.isnan())


def _ratio(part: float, whole: float) -> float:
    if not part:
        return 0.0
    return part / whole if whole else float("inf")


def _max(tensor: torch.Tensor) -> float:
    return float(tensor.max()) if tensor.numel() else 0.0
