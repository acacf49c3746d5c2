from __future__ import annotations

import pytest
import torch

from pytest_torchscript.compare.compare import margin

ONES = torch.ones(10)


def forbidden() -> object:
    raise AssertionError("the float64 run was not needed")


def moved(by: float) -> torch.Tensor:
    other = ONES.clone()
    other[2] += by
    return other


def test_nothing_felt() -> None:
    assert margin(ONES.clone(), ONES, precise=forbidden) == 0
    assert margin(moved(1e-6), ONES, precise=forbidden) < 10


def test_margin_counts_allowances() -> None:
    assert margin(moved(0.013), ONES, precise=lambda: ONES.double()) == pytest.approx(1e4, rel=1e-3)
    assert margin(moved(0.08), ONES, precise=lambda: ONES.double() + 1e-4) == pytest.approx(100, rel=1e-2)


def test_without_a_float64_run_the_wide_allowance_counts() -> None:
    assert margin(moved(0.1), ONES) == pytest.approx(0.1 / (32 * 1.3e-6), rel=1e-3)


def test_the_best_leaf_counts() -> None:
    both = (ONES, ONES)
    assert margin((ONES, moved(0.013)), both, precise=lambda: (ONES.double(), ONES.double())) > 1e3


def test_given_tolerances() -> None:
    assert margin(moved(1.0), ONES, rtol=0, atol=0.5) == pytest.approx(2)


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (torch.ones(3), torch.ones(4)),
        (torch.tensor([float("nan")]), torch.tensor([1.0])),
        (torch.tensor([1]), torch.tensor([2])),
        (torch.tensor([True]), torch.tensor([False])),
        ((torch.ones(1),), (torch.ones(1), torch.ones(1))),
        (torch.ones(2, dtype=torch.float64), torch.ones(2)),
    ],
)
def test_changes_of_another_kind_are_felt(actual: object, expected: object) -> None:
    assert margin(actual, expected) == float("inf")


def test_half_precision_is_blind_where_float32_is_not() -> None:
    expected = torch.ones(10, dtype=torch.bfloat16)
    actual = expected.clone()
    actual[0] += 2e-2
    assert margin(actual, expected, precise=lambda: expected.double()) < 10
