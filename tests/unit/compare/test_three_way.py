from __future__ import annotations

import math

import pytest
import torch

from pytest_torchscript.compare.three_way import FAILS, MARGINAL, PASSES, Sample, compare_three_way, usual_errors


def samples(device, *, count=10, size=400, coarse=None, reference=None):
    made = []
    for seed in range(count):
        generator = torch.Generator().manual_seed(seed)
        value = torch.randn(4, size // 4, generator=generator) if reference is None else reference.clone()
        noise = torch.randn(value.shape, generator=generator) * 0.004
        other = torch.randn(value.shape, generator=generator) * 0.004
        rough = value + noise if coarse is None else coarse(value)
        made.append(Sample((value,), (rough,), (device(value, other),)))
    return made


@pytest.mark.parametrize(
    ("device", "verdict"),
    [
        (lambda value, noise: value, PASSES),
        (lambda value, noise: value + noise / 100, PASSES),
        (lambda value, noise: value + noise, PASSES),
        (lambda value, noise: value + 1.1 * noise, PASSES),
        (lambda value, noise: value + 1.4 * noise, MARGINAL),
        (lambda value, noise: value + 2 * noise, FAILS),
        (lambda value, noise: value + noise + 0.3, FAILS),
        (lambda value, noise: value + 0.3, FAILS),
        (lambda value, noise: value * 1.1, FAILS),
        (lambda value, noise: torch.zeros_like(value), FAILS),
        (lambda value, noise: value + noise + 0.3 * (torch.arange(value.numel()).view_as(value) == 7), FAILS),
    ],
)
def test_rule(device, verdict):
    assert compare_three_way(samples(device)).verdict == verdict


def test_small_constant_shift_counts():
    found = compare_three_way(samples(lambda value, noise: value + noise + 0.008))
    assert found.verdict == FAILS
    assert not found.like_precision


def test_what_looks_like_precision_and_what_does_not():
    assert compare_three_way(samples(lambda value, noise: value + 4 * noise)).like_precision
    for device in (
        lambda value, noise: value + 0.3,
        lambda value, noise: value.flip(0),
        lambda value, noise: value + noise + 0.5 * (torch.arange(value.numel()).view_as(value) == 7),
    ):
        found = compare_three_way(samples(device))
        assert found.verdict == FAILS
        assert not found.like_precision


def test_numbers_and_reason_of_the_worst_leaf():
    found = compare_three_way(samples(lambda value, noise: value + 0.3))
    worst = found.worst
    assert worst.path == "[0]"
    assert worst.worst == pytest.approx(0.3, rel=1e-3)
    assert worst.linf_ratio > 5
    assert "L-infinity ratio" in worst.reason
    assert "L2 ratio" in worst.reason
    assert found.samples == 10


@pytest.mark.parametrize("size", [4, 8, 40])
def test_few_elements_may_be_lucky(size):
    """Of a sound device's answers to classifiers of few labels nearly none fails, and none where it is far off."""
    sound, wrong = [], []
    for trial in range(200):
        found = [torch.randn(3, size, generator=torch.Generator().manual_seed(1000 * trial + i)) for i in range(10)]
        made = [Sample(value, value + 0.004 * a, value + 0.004 * b) for value, a, b in found]
        sound.append(compare_three_way(made).verdict)
        off = [Sample(item.reference, item.coarse, item.device + 0.05) for item in made]
        wrong.append(compare_three_way(off).verdict)
    assert sound.count(FAILS) <= 6
    assert set(wrong) == {FAILS}


def test_one_input_is_judged_by_what_bf16_usually_costs():
    value = torch.tensor([1.0, -2.0])
    lucky = Sample(value, value.clone(), value + 0.01)
    assert compare_three_way([lucky]).verdict == FAILS
    usual = usual_errors([(value, value + shift) for shift in (0.004, -0.02, 0.01)])
    assert usual == {"output": pytest.approx(0.0066, rel=0.05)}
    assert compare_three_way([lucky], usual=usual).verdict == PASSES
    far = Sample(value, value.clone(), value + 0.3)
    assert compare_three_way([far], usual=usual).verdict == FAILS


@pytest.mark.parametrize(
    ("device", "said"),
    [
        (lambda value, noise: value[:, :5], "shape (4, 5), expected (4, 100)"),
        (lambda value, noise: value.double(), "dtype torch.float64, expected torch.float32"),
        (lambda value, noise: value.masked_fill(value > 1, math.nan), "nan at flat index"),
        (lambda value, noise: value.masked_fill(value > 1, math.inf), "inf at flat index"),
    ],
)
def test_shape_dtype_and_nonfinite_fail_first(device, said):
    found = compare_three_way(samples(device))
    assert found.verdict == FAILS
    assert said in found.problems[0]
    assert not found.like_precision


def test_missing_output_fails():
    value = torch.randn(3)
    found = compare_three_way([Sample((value, value), (value, value), (value,))])
    assert found.verdict == FAILS
    assert "1 tensor, expected 2 tensors" in found.problems[0]


def test_fills_of_a_mask_are_compared_by_size_alone():
    fill = torch.finfo(torch.float32).min
    value = torch.randn(4, 10)
    value[:, 3] = fill
    for there in (fill, -math.inf, torch.finfo(torch.bfloat16).min):
        device = value.clone()
        device[:, 3] = there
        assert compare_three_way([Sample(value, value.bfloat16().float(), device)]).verdict == PASSES
    device = value.clone()
    device[:, 3] = 0.0
    assert compare_three_way([Sample(value, value.bfloat16().float(), device)]).verdict == FAILS


def test_nan_where_float32_has_it_is_no_problem():
    value = torch.randn(4, 10)
    value[0, 0] = math.nan
    assert compare_three_way([Sample(value, value.bfloat16().float(), value.clone())]).verdict == PASSES


def test_zeros_throughout():
    zeros = torch.zeros(5)
    assert compare_three_way([Sample(zeros, zeros, zeros)]).verdict == PASSES
    assert compare_three_way([Sample(zeros, zeros, zeros + 1e-3)]).verdict == FAILS


def test_integers_may_be_wrong_only_where_bf16_is():
    value = torch.arange(200)
    moved = value.clone()
    moved[:5] += 1
    assert compare_three_way([Sample(value, moved, moved)]).verdict == PASSES
    found = compare_three_way([Sample(value, value, moved)])
    assert found.verdict == FAILS
    assert "5 of 200 integers differ" in found.worst.reason
