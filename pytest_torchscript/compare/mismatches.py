"""What a comparison found, and how a mismatch is made from a leaf: its worst element, and how many differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_torchscript.compare.floats import Allowance, FloatLeaf, plain

if TYPE_CHECKING:
    import torch

    from pytest_torchscript.compare.leaves import Pair

EQUAL, DIFFERENT, UNDECIDABLE = "equal", "different", "undecidable"

_SEVERITY = ("structure", "shape", "dtype", "nonfinite", "values", "undecidable")


@dataclass(frozen=True)
class Mismatch:
    """One leaf that differs, at its worst element.

    ``kind`` is structure, shape, dtype, values, nonfinite or undecidable. ``allowed`` and ``difference`` belong to that
    element; ``required`` is the absolute tolerance with which the whole leaf would have passed; ``count`` of ``total``
    elements differ by more than is allowed.
    """

    path: str
    kind: str
    actual: Any
    expected: Any
    index: tuple[int, ...] | None = None
    difference: float | None = None
    allowed: float | None = None
    count: int = 0
    total: int = 0
    required: float | None = None


@dataclass(frozen=True)
class Comparison:
    """What a comparison found. ``mismatches`` are sorted, the worst first; ``notes`` say by which rule."""

    status: str
    mismatches: tuple[Mismatch, ...] = ()
    notes: tuple[str, ...] = ()
    max_abs_difference: float = 0.0

    @property
    def agrees(self) -> bool:
        """Whether both answers are equal within the tolerance."""
        return self.status == EQUAL


def order_of(mismatch: Mismatch) -> tuple[int, float]:
    """Return a sort key: the worst kind first, then the largest multiple of what was allowed."""
    excess = (mismatch.difference or 0.0) / mismatch.allowed if mismatch.allowed else float("inf")
    return _SEVERITY.index(mismatch.kind), -excess


def values_mismatch(leaf: FloatLeaf, allowance: Allowance, *, kind: str = "values") -> Mismatch:
    """Make the mismatch of a float leaf from the element that is furthest beyond its allowance."""
    excess = leaf.excess(allowance)
    worst = int(leaf.worst_position() if kind == "undecidable" else excess.argmax())
    return Mismatch(
        leaf.pair.path,
        kind,
        leaf.actual[worst].item(),
        leaf.expected[worst].item(),
        index=_unravel(worst, leaf.pair.expected.shape),
        difference=float(leaf.difference[worst]),
        allowed=float(leaf.allowed(allowance)[worst]),
        count=int((excess > 0).sum()),
        total=excess.numel(),
        required=leaf.required(allowance),
    )


def nonfinite_mismatch(leaf: FloatLeaf, differs: torch.Tensor) -> Mismatch:
    """Make the mismatch of a leaf that is not finite in the same places; ``differs`` is flat."""
    first = int(differs.nonzero()[0])
    return Mismatch(
        leaf.pair.path,
        "nonfinite",
        leaf.actual[first].item(),
        leaf.expected[first].item(),
        index=_unravel(first, leaf.pair.expected.shape),
        count=int(differs.sum()),
        total=differs.numel(),
    )


def integer_mismatch(
    pair: Pair, differs: torch.Tensor, difference: torch.Tensor | None, *, allowed: float = 0.0
) -> Mismatch:
    """Make the mismatch of an integer or boolean leaf from its first element that differs."""
    flat = differs.reshape(-1)
    first = int(flat.nonzero()[0])
    far = None if difference is None else difference.reshape(-1)
    return Mismatch(
        pair.path,
        "values",
        plain(pair.actual).reshape(-1)[first].item(),
        plain(pair.expected).reshape(-1)[first].item(),
        index=_unravel(first, pair.expected.shape),
        difference=None if far is None else float(far[first]),
        allowed=allowed,
        count=int(flat.sum()),
        total=flat.numel(),
        required=None if far is None else float(far[flat].max()),
    )


def _unravel(position: int, shape: torch.Size) -> tuple[int, ...]:
    index: list[int] = []
    for size in reversed(shape):
        position, rest = divmod(position, size)
        index.append(rest)
    return tuple(reversed(index))


def dtype_name(dtype: torch.dtype) -> str:
    """Return ``float32`` for ``torch.float32``."""
    return str(dtype).replace("torch.", "")
