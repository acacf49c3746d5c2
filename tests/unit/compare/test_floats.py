"""One float leaf by itself: its scale, its noise, its fill values, what it allows."""

from __future__ import annotations

import pytest
import torch
from leaf_values import EPS, INF, NAN, forbidden, normal, only, tensor

from pytest_torchscript.compare.compare import compare_outputs
from pytest_torchscript.compare.floats import Allowance, FloatLeaf, plain, widen
from pytest_torchscript.compare.leaves import Pair


def test_nan_equals_nan_only_where_eager_has_it() -> None:
    expected = tensor(1, NAN, INF, -INF)
    assert compare_outputs((expected.clone(),), expected, precise=forbidden).agrees
    for wrong in (
        tensor(NAN, NAN, INF, -INF),
        tensor(1, 1, INF, -INF),
        tensor(1, NAN, -INF, -INF),
        tensor(1, INF, INF, 2),
    ):
        found = compare_outputs((wrong,), expected, precise=forbidden)
        assert only(found).kind == "nonfinite"
        assert found.max_abs_difference == INF


def test_finite_elements_beside_infinities_are_still_compared() -> None:
    expected = tensor(1, NAN, -INF, 2)
    assert compare_outputs((tensor(1 + EPS, NAN, -INF, 2),), expected, precise=forbidden).agrees
    found = only(compare_outputs((tensor(1.001, NAN, -INF, 2),), expected, precise=lambda: expected.double()))
    assert (found.kind, found.index) == ("values", (0,))


def test_a_fill_value_hides_nothing() -> None:
    lowest = torch.finfo(torch.float32).min
    expected = normal(100)
    expected[10:20] = lowest
    precise = expected.double()
    precise[10:20] = torch.finfo(torch.float64).min
    assert compare_outputs((expected.clone(),), expected, precise=forbidden).agrees
    ordinary, fill, moved = expected.clone(), expected.clone(), expected.clone()
    ordinary[0] += 1e-4
    fill[10] *= 1 - 1e-5
    moved[10] = 0
    assert only(compare_outputs((ordinary,), expected, precise=lambda: precise)).index == (0,)
    assert only(compare_outputs((fill,), expected, precise=lambda: precise)).index == (10,)
    assert only(compare_outputs((moved,), expected, precise=lambda: precise)).index == (10,)


def test_large_elements_may_be_off_by_their_own_rounding() -> None:
    expected = torch.full((100,), 1e-7)
    expected[5] = 0.9  # the peak of a softmax
    precise = expected.double()
    precise[5] *= 1 + 1e-5
    actual = expected.clone()
    actual[5] *= 1 + 2e-5
    assert compare_outputs((actual,), expected, precise=lambda: precise).agrees
    actual[5] *= 1 + 1e-3
    assert not compare_outputs((actual,), expected, precise=lambda: precise).agrees


def test_a_fill_value_that_overflows_in_float64_leaves_calibration_possible() -> None:
    expected = normal(100)
    expected[3] = torch.finfo(torch.float32).min
    precise = expected.double()
    precise[3] = -INF
    precise[0] += 1e-5
    actual = expected.clone()
    actual[50] += 2e-5
    found = compare_outputs((actual,), expected, precise=lambda: precise)
    assert found.agrees
    assert found.notes == ()


@pytest.mark.parametrize("ordinary", [1, 2, 3, 50])
def test_large_is_counted_from_the_median_of_what_is_not_zero(ordinary: int) -> None:
    expected = torch.zeros(200)
    expected[:ordinary] = 1
    expected[100:101] = 2e4
    wrong = expected.clone()
    wrong[0] += 1e-2  # far within the scale of the large element, far beyond that of its own kind
    found = compare_outputs((wrong,), expected, precise=lambda: expected.double())
    assert only(found).index == (0,)


def leaf_of(actual: torch.Tensor, expected: torch.Tensor) -> FloatLeaf:
    return FloatLeaf(Pair("[0]", actual, expected), None)


def test_a_leaf_is_wide_enough_to_subtract() -> None:
    leaf = leaf_of(torch.ones(2, 2).half(), torch.ones(2, 2).half())
    assert (leaf.actual.dtype, leaf.actual.shape, leaf.dtype) == (torch.float32, (4,), torch.float16)
    assert widen(torch.ones(2, dtype=torch.bool)).dtype is torch.float32
    assert plain(torch.eye(2).to_sparse()).layout is torch.strided


def test_scale_and_worst_leave_large_elements_out() -> None:
    expected = torch.cat([torch.ones(20), tensor(1e6)])
    leaf = leaf_of(expected + torch.cat([torch.zeros(19), tensor(0.5, 100.0)]), expected)
    assert (leaf.scale, leaf.worst, leaf.largest_difference) == (1.0, 0.5, 100.0)
    assert leaf.worst_large == pytest.approx(1e-4)
    assert leaf.worst_position() == 19


def test_noise_is_eagers_own() -> None:
    leaf = leaf_of(torch.ones(3), torch.ones(3))
    assert leaf.noise(torch.ones(3, dtype=torch.float64) + 0.25) == (0.25, 0.0)


def test_margin_is_infinite_where_nothing_is_allowed() -> None:
    leaf = leaf_of(tensor(1, 2), tensor(1, 1))
    assert leaf.margin(Allowance(0.0)) == INF
    assert leaf.margin(Allowance(0.5)) == 2
    assert leaf_of(tensor(1), tensor(1)).margin(Allowance(0.0)) == 0
