"""Judge coarse arithmetic by coarse arithmetic: a device against float32 on the CPU, measured by bf16 on the CPU.

An artifact that casts to bf16 cannot meet a float32 tolerance, and any tolerance wide enough for it hides defects. So
each answer is asked for three times, over several inputs, and the device passes where its error is distributed as the
error of bf16 on the CPU is. The rule is the one of the vendor's module tests (vLLM-Neuron, module_test_guidelines):

    (BC >= 0.99 or sigma ratio <= 1)  and  worst L-infinity ratio < 5  and  worst L2 ratio < 3

BC is the Bhattacharyya coefficient of the two error distributions taken as normal; 0.95 to 0.99 is marginal. Errors are
relative to the largest magnitude of the leaf over all inputs: near-zero elements would produce false failures. Sigma is
the root mean square about zero, so that a constant shift counts.

Small leaves need care: bf16 may hit an answer by luck, and taken literally the rule fails three quarters of the sound
devices whose answer has two elements (measured on random errors). So the ratio of sigmas may exceed 1 by 3/sqrt(n),
three of its standard deviations over n elements, and an input's ratios are taken over bf16's error at that input or its
root mean square over all inputs, whichever is larger. One input alone says nothing of a distribution: there the two
worst ratios decide.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from pytest_torchscript.compare.leaves import pair_leaves
from pytest_torchscript.compare.tolerances import LARGE

PASSES, MARGINAL, FAILS = "passes", "marginal", "fails"

BC_PASSES, BC_MARGINAL = 0.99, 0.95
LINF_LIMIT, L2_LIMIT = 5.0, 3.0
#: How many inputs the rule asks for.
SAMPLES = 10

_FLOOR = 8 * torch.finfo(torch.float32).eps
#: An error is like precision where it is small against the leaf, has no direction, and is not in a few elements alone.
_PRECISION_RMS, _PRECISION_BIAS, _PRECISION_PEAK = 0.05, 0.5, 10.0


@dataclass(frozen=True)
class Sample:
    """Three answers to the same inputs: nested outputs of one structure."""

    reference: object
    coarse: object
    device: object


@dataclass(frozen=True)
class LeafNumbers:
    """What the rule found for one leaf. Errors are relative to the leaf's scale."""

    path: str
    verdict: str
    bhattacharyya: float = 1.0
    sigma_ratio: float = 0.0
    linf_ratio: float = 0.0
    l2_ratio: float = 0.0
    worst: float = 0.0
    scale: float = 0.0
    like_precision: bool = False
    reason: str = ""


@dataclass(frozen=True)
class ThreeWay:
    """The answer over all leaves and inputs. ``like_precision`` is True where every failing leaf looks so."""

    leaves: tuple[LeafNumbers, ...] = ()
    problems: tuple[str, ...] = ()
    samples: int = 0

    @property
    def verdict(self) -> str:
        """The worst of the leaves; a structure, shape, dtype or non-finite problem fails."""
        if self.problems or any(leaf.verdict == FAILS for leaf in self.leaves):
            return FAILS
        return MARGINAL if any(leaf.verdict == MARGINAL for leaf in self.leaves) else PASSES

    @property
    def worst(self) -> LeafNumbers | None:
        """The leaf that decides."""
        order = (PASSES, MARGINAL, FAILS)
        return max(self.leaves, key=lambda leaf: (order.index(leaf.verdict), leaf.linf_ratio), default=None)

    @property
    def like_precision(self) -> bool:
        """Whether what is wrong can be a matter of precision."""
        wrong = [leaf for leaf in self.leaves if leaf.verdict != PASSES]
        return not self.problems and bool(wrong) and all(leaf.like_precision for leaf in wrong)


@dataclass
class _Column:
    """One leaf over all samples."""

    path: str
    reference: list[torch.Tensor] = field(default_factory=list)
    coarse: list[torch.Tensor] = field(default_factory=list)
    device: list[torch.Tensor] = field(default_factory=list)


def compare_three_way(samples: Sequence[Sample], *, usual: Mapping[str, float] | None = None) -> ThreeWay:
    """Apply the rule to the answers to several inputs; ``samples`` of fewer than ten are judged all the same.

    ``usual`` holds `usual_errors` of other inputs, for samples too few to tell bf16's error from luck.
    """
    columns: list[_Column] = []
    for sample in samples:
        problems = _collect(sample, columns)
        if problems:
            return ThreeWay((), tuple(problems), len(samples))
    with torch.no_grad():
        leaves, nonfinite = [], []
        for column in columns:
            problem = _nonfinite_problem(column)
            if problem:
                nonfinite.append(problem)
            else:
                leaves.append(_judge(column, (usual or {}).get(column.path, 0.0)))
    return ThreeWay(tuple(leaves), tuple(nonfinite), len(samples))


def usual_errors(answers: Sequence[tuple[object, object]]) -> dict[str, float]:
    """Return by leaf path the root mean square of bf16's error over ``(reference, coarse)`` answers to several inputs,
    each relative to the largest magnitude of the leaf at that input."""
    columns: list[_Column] = []
    for reference, coarse in answers:
        _collect(Sample(reference, coarse, reference), columns)
    with torch.no_grad():
        return {column.path: _usual_error(column) for column in columns if column.reference[0].is_floating_point()}


def _usual_error(column: _Column) -> float:
    relative = [
        _rms(error) / scale
        for reference, coarse in zip(column.reference, column.coarse)
        for error, scale in [_error_and_scale(reference, coarse)]
        if scale
    ]
    return _rms(torch.tensor(relative, dtype=torch.float64))


def _error_and_scale(reference: torch.Tensor, other: torch.Tensor) -> tuple[torch.Tensor, float]:
    expected = reference.double().flatten()
    mask = _usual(expected)
    return (other.double().flatten() - expected)[mask], _peak(expected[mask])


def _collect(sample: Sample, columns: list[_Column]) -> list[str]:
    """Add one sample to the columns; return what is wrong with its structure, shapes or dtypes."""
    device, coarse = pair_leaves(sample.device, sample.reference), pair_leaves(sample.coarse, sample.reference)
    problems = [f"{item.path}: {item.actual}, expected {item.expected}" for item in device.differences]
    if problems or coarse.differences:
        return problems or ["bf16 on the CPU answers in another structure than float32"]
    for index, (one, other) in enumerate(zip(device.pairs, coarse.pairs)):
        if one.actual.shape != one.expected.shape:
            problems.append(f"{one.path}: shape {tuple(one.actual.shape)}, expected {tuple(one.expected.shape)}")
        elif one.actual.dtype != one.expected.dtype:
            problems.append(f"{one.path}: dtype {one.actual.dtype}, expected {one.expected.dtype}")
        else:
            if index == len(columns):
                columns.append(_Column(one.path))
            columns[index].reference.append(one.expected)
            columns[index].coarse.append(other.actual)
            columns[index].device.append(one.actual)
    return problems


def _judge(column: _Column, usual: float) -> LeafNumbers:
    if not column.reference[0].is_floating_point():
        return _judge_integers(column)
    device, scales = zip(*map(_error_and_scale, column.reference, column.device))
    coarse = [_error_and_scale(*pair)[0] for pair in zip(column.reference, column.coarse)]
    scale = max(scales)
    if scale == 0.0:
        return _judge_zeros(column.path, list(device), coarse)
    relative = [[error / scale for error in errors] for errors in (device, coarse)]
    return _judge_errors(column.path, relative[0], relative[1], scale, usual)


def _judge_errors(
    path: str, device: list[torch.Tensor], coarse: list[torch.Tensor], scale: float, usual: float
) -> LeafNumbers:
    all_device, all_coarse = torch.cat(device), torch.cat(coarse)
    count = max(all_device.numel(), 1)
    sigma_device, sigma_coarse = _rms(all_device), max(_rms(all_coarse), usual, _FLOOR)
    sigma = sigma_device / sigma_coarse
    coefficient = _bhattacharyya(all_device, all_coarse)
    linf = max(_peak(one) / max(_peak(other), sigma_coarse) for one, other in zip(device, coarse))
    l2 = max(_rms(one) / max(_rms(other), sigma_coarse) for one, other in zip(device, coarse))
    alike = coefficient >= BC_PASSES or sigma <= 1 + 3 / math.sqrt(count) or sigma_device <= _FLOOR or len(device) == 1
    bounded = linf < LINF_LIMIT and l2 < L2_LIMIT
    verdict = PASSES if alike and bounded else MARGINAL if bounded and coefficient >= BC_MARGINAL else FAILS
    return LeafNumbers(
        path,
        verdict,
        bhattacharyya=coefficient,
        sigma_ratio=sigma,
        linf_ratio=linf,
        l2_ratio=l2,
        worst=_peak(all_device) * scale,
        scale=scale,
        like_precision=_like_precision(all_device),
        reason="" if verdict == PASSES else _reason(coefficient, sigma, linf, l2),
    )


def _judge_zeros(path: str, device: list[torch.Tensor], coarse: list[torch.Tensor]) -> LeafNumbers:
    """Judge a leaf that is zero throughout in float32: it has no scale to be relative to."""
    worst, allowed = max(map(_peak, device), default=0.0), max(map(_peak, coarse), default=0.0)
    if worst <= LINF_LIMIT * allowed:
        return LeafNumbers(path, PASSES)
    return LeafNumbers(
        path, FAILS, linf_ratio=math.inf, worst=worst, reason=f"{worst:.3g} where float32 is 0 throughout"
    )


def _judge_integers(column: _Column) -> LeafNumbers:
    """Judge indices and counts: a device may be wrong where bf16 on the CPU is wrong too, not where it never is."""
    triples = list(zip(column.reference, column.coarse, column.device))
    wrong = sum(int((device != reference).sum()) for reference, _, device in triples)
    coarse = sum(int((other != reference).sum()) for reference, other, _ in triples)
    total = sum(reference.numel() for reference, _, _ in triples)
    if wrong <= LINF_LIMIT * coarse + total // 100:
        return LeafNumbers(column.path, PASSES)
    reason = f"{wrong} of {total} integers differ from float32; in bf16 on the CPU {coarse} do"
    return LeafNumbers(column.path, FAILS, linf_ratio=math.inf, reason=reason)


def _reason(coefficient: float, sigma: float, linf: float, l2: float) -> str:
    parts = []
    if coefficient < BC_PASSES and sigma > 1:
        parts.append(f"BC {coefficient:.3f} (at least {BC_PASSES}) with sigma ratio {sigma:.3g} (at most 1)")
    if linf >= LINF_LIMIT:
        parts.append(f"L-infinity ratio {linf:.3g} (below {LINF_LIMIT:g})")
    if l2 >= L2_LIMIT:
        parts.append(f"L2 ratio {l2:.3g} (below {L2_LIMIT:g})")
    return ", ".join(parts)


def _bhattacharyya(left: torch.Tensor, right: torch.Tensor) -> float:
    """Return the coefficient of two samples taken as normal: 1 for equal distributions, 0 for disjoint ones."""
    mean_left, mean_right = float(left.mean()), float(right.mean())
    variance_left = max(float(left.var(unbiased=False)), _FLOOR**2)
    variance_right = max(float(right.var(unbiased=False)), _FLOOR**2)
    both = variance_left + variance_right
    overlap = math.sqrt(2 * math.sqrt(variance_left * variance_right) / both)
    return overlap * math.exp(-((mean_left - mean_right) ** 2) / (4 * both))


def _like_precision(error: torch.Tensor) -> bool:
    rms = _rms(error)
    if not 0 < rms <= _PRECISION_RMS:
        return False
    return abs(float(error.mean())) <= _PRECISION_BIAS * rms and _peak(error) <= _PRECISION_PEAK * rms


def _nonfinite_problem(column: _Column) -> str:
    """Return where device and float32 disagree on what is finite; fills and saturated values aside."""
    if not column.reference[0].is_floating_point():
        return ""
    for reference, device in zip(column.reference, column.device):
        for index, actual, expected in _extremes(reference.double().flatten(), device.double().flatten()):
            if not _same_extreme(actual, expected):
                return f"{column.path}: {actual:g} at flat index {index}, float32 on the CPU gives {expected:g}"
    return ""


def _extremes(reference: torch.Tensor, device: torch.Tensor) -> Iterator[tuple[int, float, float]]:
    unusual = ~_usual(reference) | ~torch.isfinite(device)
    for index in unusual.nonzero().flatten().tolist():
        yield index, float(device[index]), float(reference[index])


def _same_extreme(actual: float, expected: float) -> bool:
    if math.isnan(expected) or math.isnan(actual):
        return math.isnan(expected) and math.isnan(actual)
    if math.isinf(actual) and not math.isinf(expected) and abs(expected) < torch.finfo(torch.float16).max:
        return False
    saturated = min(abs(expected), torch.finfo(torch.float32).max) / 2  # bf16 rounds the smallest float to infinity
    return (actual > 0) == (expected > 0) and abs(actual) >= min(saturated, torch.finfo(torch.float16).max / 2)


def _usual(tensor: torch.Tensor) -> torch.Tensor:
    """Return which elements count as values: finite, and not a fill."""
    finite = torch.isfinite(tensor)
    magnitudes = tensor[finite & (tensor != 0)].abs()
    if not magnitudes.numel():
        return finite
    return finite & (tensor.abs() <= LARGE * magnitudes.median())


def _rms(error: torch.Tensor) -> float:
    return float(error.pow(2).mean().sqrt()) if error.numel() else 0.0


def _peak(error: torch.Tensor) -> float:
    return float(error.abs().max()) if error.numel() else 0.0
