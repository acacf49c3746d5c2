"""Compare an artifact's answer with eager's: structure, count, shape, dtype, then values.

The usual answer is bit-equal, and is found so before anything is copied. The double-precision run is asked for only
where the leaf's own scale does not decide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from pytest_torchscript.compare.floats import Allowance, FloatLeaf, plain
from pytest_torchscript.compare.leaves import Pair, Paired, pair_leaves
from pytest_torchscript.compare.mismatches import (
    DIFFERENT,
    EQUAL,
    UNDECIDABLE,
    Comparison,
    Mismatch,
    dtype_name,
    integer_mismatch,
    nonfinite_mismatch,
    order_of,
    values_mismatch,
)
from pytest_torchscript.compare.ties import untied
from pytest_torchscript.compare.tolerances import Closeness, GivenTolerance, closeness_named, decidable
from pytest_torchscript.errors import first_line

__all__ = ["DIFFERENT", "EQUAL", "UNDECIDABLE", "Comparison", "Mismatch", "compare_outputs", "margin"]

#: Runs the same model on the same inputs in float64; None where that is impossible.
Precise = Callable[[], Any]


def compare_outputs(
    actual: object,
    expected: object,
    *,
    closeness: str = "traced",
    precise: Precise | None = None,
    nudged: Precise | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    tf32: bool = False,
) -> Comparison:
    """Compare an artifact's output with eager's.

    ``actual`` may be flat where ``expected`` is nested. ``precise`` runs the model in float64, at most once, and may
    return None or raise. ``nudged`` runs it on inputs that are moved by their last places, where that does not explain a
    difference: eager may have met the exact answer by luck.

    ``rtol`` and ``atol``, both or neither, replace the calibrated tolerance. ``tf32``: float32 is multiplied with fewer
    digits, on both sides.
    """
    given = GivenTolerance.from_options(rtol, atol)
    with torch.no_grad():
        paired = pair_leaves(actual, expected)
        runs = PreciseRun(precise, expected), PreciseRun(nudged, expected)
        judgement = Judgement(paired, closeness_named(closeness), *runs, given, tf32=tf32)
        return judgement.run()


def margin(
    actual: object,
    expected: object,
    *,
    precise: Precise | None = None,
    rtol: float | None = None,
    atol: float | None = None,
) -> float:
    """Return max|actual - expected| / allowed over all leaves (k = 8): by how much a change is felt.

    Infinite where the change is of another kind: another shape, another pattern of non-finite elements, another integer
    that no tie explains.
    """
    given = GivenTolerance.from_options(rtol, atol)
    with torch.no_grad():
        paired = pair_leaves(actual, expected)
        runs = PreciseRun(precise, expected), PreciseRun(None, expected)
        judgement = Judgement(paired, closeness_named("optimised"), *runs, given)
        return judgement.margin()


class PreciseRun:
    """Another run of eager, in float64 or nudged, made when first asked for. ``reason`` says why it was impossible."""

    def __init__(self, run: Precise | None, expected: object) -> None:
        self._run = run
        self._expected = expected
        self._leaves: list[torch.Tensor] | None = None
        self._asked = False
        self.reason = ""

    def leaf(self, number: int) -> torch.Tensor | None:
        """Return a leaf of the float64 output by its number, or None where the run is impossible."""
        if not self._asked:
            self._asked = True
            self._leaves = self._make()
        return None if self._leaves is None else self._leaves[number]

    def _make(self) -> list[torch.Tensor] | None:
        try:
            output = self._run() if self._run is not None else None
        except Exception as error:
            self.reason = f"it raised {first_line(error)}"
            return None
        if output is None:
            self.reason = "it could not be made"
            return None
        paired = pair_leaves(output, self._expected)
        self.reason = "it returned another structure" if paired.differences else _unlike(paired.pairs)
        return None if self.reason else [pair.actual for pair in paired.pairs]


def _unlike(pairs: list[Pair]) -> str:
    """Say why a float64 run is not the same computation, or nothing."""
    for pair in pairs:
        precise, eager = pair.actual, pair.expected
        if precise.shape != eager.shape:
            return f"it took another path: shape {tuple(precise.shape)} instead of {tuple(eager.shape)}"
        if not _is_float(eager):
            if _is_float(precise) or not torch.equal(plain(precise), plain(eager)):
                return f"it took another path: other integers at {pair.path}"
        elif bool((torch.isfinite(plain(eager)) & ~torch.isfinite(plain(precise))).any()) and _spoilt(pair):
            return f"it is not finite at {pair.path} where eager is"
    return ""


def _spoilt(pair: Pair) -> bool:
    """Whether an ordinary element is not finite: a fill value may overflow without telling anything."""
    leaf = FloatLeaf(pair, None)
    spoilt = torch.isfinite(leaf.expected) & ~torch.isfinite(leaf.actual)
    return bool((spoilt if leaf.large is None else spoilt & ~leaf.large).any())


def _is_float(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex() or tensor.is_quantized


@dataclass
class Judgement:
    """One comparison under way."""

    paired: Paired
    closeness: Closeness
    precise: PreciseRun
    nudged: PreciseRun
    given: GivenTolerance | None
    notes: list[str] = field(default_factory=list)
    max_abs_difference: float = 0.0
    tf32: bool = False
    _floats: dict[int, FloatLeaf] = field(default_factory=dict)

    def run(self) -> Comparison:
        """Judge every leaf."""
        mismatches = [
            Mismatch(difference.path, "structure", difference.actual, difference.expected)
            for difference in self.paired.differences
        ]
        for number, pair in enumerate(self.paired.pairs):
            found = self._judge(number, pair)
            if found is not None:
                mismatches.append(found)
        mismatches.sort(key=order_of)
        if self.given is not None:
            self._note(f"compared with rtol={self.given.rtol:g} atol={self.given.atol:g} as given, not calibrated")
        status = EQUAL
        if mismatches:
            status = UNDECIDABLE if mismatches[0].kind == "undecidable" else DIFFERENT
        return Comparison(status, tuple(mismatches), tuple(self.notes), self.max_abs_difference)

    def margin(self) -> float:
        """Return the largest margin of any leaf."""
        if self.paired.differences:
            return float("inf")
        return max((self._margin(number, pair) for number, pair in enumerate(self.paired.pairs)), default=0.0)

    def _judge(self, number: int, pair: Pair) -> Mismatch | None:
        actual, expected = pair.actual, pair.expected
        if actual.shape != expected.shape:
            return Mismatch(pair.path, "shape", tuple(actual.shape), tuple(expected.shape))
        if actual.dtype != expected.dtype:
            return Mismatch(pair.path, "dtype", dtype_name(actual.dtype), dtype_name(expected.dtype))
        if actual.is_meta or expected.is_meta:
            self._note("shapes compared, not values: the tensors hold none (meta)")
            return None
        if _equal(actual, expected):
            return None
        if not _is_float(expected):
            return self._judge_integers(pair)
        found = self._judge_floats(number)
        self._floats[number].forget()
        return found

    def _judge_floats(self, number: int) -> Mismatch | None:
        leaf = self._float(number)
        if leaf.nonfinite_differs is not None:
            self.max_abs_difference = float("inf")
            return nonfinite_mismatch(leaf, leaf.nonfinite_differs)
        self.max_abs_difference = max(self.max_abs_difference, leaf.largest_difference)
        allowance = self._allowance(leaf, leaf.passes)
        if not leaf.passes(allowance):
            return values_mismatch(leaf, allowance)
        if leaf.undecidable():
            limit = f"above {decidable(leaf.digits):g} of the scale that proves nothing"
            self._note(
                f"undecidable: {leaf.pair.path} differs by {leaf.worst:.2g} on a scale of {leaf.scale:.2g}; rounding"
                f" alone explains {allowance.absolute:.2g}, and {limit}"
            )
            return values_mismatch(leaf, allowance, kind="undecidable")
        return None

    def _judge_integers(self, pair: Pair) -> Mismatch | None:
        actual, expected = plain(pair.actual), plain(pair.expected)
        if expected.dtype == torch.bool:
            return integer_mismatch(pair, actual != expected, None)
        difference = (actual.long() - expected.long()).abs()
        self.max_abs_difference = max(self.max_abs_difference, float(difference.max()))
        differs = self._untied(pair)
        allowed = 0.0 if self.given is None else self.given.atol  # a relative tolerance would let token ids through
        differs &= difference > allowed
        return integer_mismatch(pair, differs, difference, allowed=allowed) if bool(differs.any()) else None

    def _untied(self, pair: Pair) -> torch.Tensor:
        """Return where an index differs without a tie, looking at the scale first and at the noise only then."""
        floats = [self._float(number) for number, other in enumerate(self.paired.pairs) if self._comparable(other)]
        differs = untied(pair, floats, self._within(calibrated=False))
        if self.given is None and floats and bool(differs.any()):
            differs = untied(pair, floats, self._within(calibrated=True))
        return differs

    def _within(self, *, calibrated: bool) -> Callable[[FloatLeaf, torch.Tensor, torch.Tensor], torch.Tensor]:
        def within(leaf: FloatLeaf, gap: torch.Tensor, magnitude: torch.Tensor) -> torch.Tensor:
            allowance = self._allowance(leaf, lambda _: not calibrated)
            return gap.double() <= allowance.absolute + allowance.relative * magnitude.double()

        return within

    def _comparable(self, pair: Pair) -> bool:
        tensor = pair.expected
        return tensor.is_floating_point() and not tensor.is_meta and pair.actual.shape == tensor.shape

    def _float(self, number: int) -> FloatLeaf:
        if number not in self._floats:
            self._floats[number] = FloatLeaf(self.paired.pairs[number], self.given, number=number, tf32=self.tf32)
        return self._floats[number]

    def _allowance(self, leaf: FloatLeaf, decides: Callable[[Allowance], bool]) -> Allowance:
        """Return r x scale where that decides, else what the float64 run allows, and where that does not decide what moving
        the inputs by their last places does; the wide tolerance where there is no float64 run."""
        allowance = leaf.allowance(self.closeness)
        if self.given is not None or decides(allowance):
            return allowance
        precise = self.precise.leaf(leaf.number)
        if precise is not None:
            noise = leaf.noise(precise)
            allowance = leaf.allowance(self.closeness, noise=noise)
            nudged = None if decides(allowance) else self.nudged.leaf(leaf.number)
            if nudged is not None:
                ordinary, large = map(max, noise, leaf.noise(nudged))
                allowance = leaf.allowance(self.closeness, noise=(ordinary, large))
            return allowance
        wide = self.closeness.relative(leaf.digits, wide=True)
        self._note(f"no float64 run to calibrate on ({self.precise.reason}): {wide:.2g} of the scale allowed instead")
        return leaf.allowance(self.closeness, wide=True)

    def _margin(self, number: int, pair: Pair) -> float:
        actual, expected = pair.actual, pair.expected
        if actual.shape != expected.shape or actual.dtype != expected.dtype:
            return float("inf")
        if actual.is_meta or expected.is_meta or _equal(actual, expected):
            return 0.0
        if not _is_float(expected):
            return float("inf") if self._judge_integers(pair) is not None else 0.0
        leaf = self._float(number)
        if leaf.nonfinite_differs is not None:
            return float("inf")
        allowance = self._allowance(leaf, lambda quick: leaf.margin(quick) < _BLIND)
        return leaf.margin(allowance)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


#: Below this margin an input counts as not felt; noise can only lower it further, so no float64 run is needed.
_BLIND = 10.0


def _equal(actual: torch.Tensor, expected: torch.Tensor) -> bool:
    if actual.layout != torch.strided or actual.device != expected.device:
        actual, expected = plain(actual), plain(expected)
    return torch.equal(actual, expected)
