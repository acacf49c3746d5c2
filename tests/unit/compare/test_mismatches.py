"""What a mismatch holds, and which comes first."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from leaf_values import NAN, normal, only, tensor

from pytest_torchscript.compare.compare import compare_outputs
from pytest_torchscript.compare.leaves import Pair
from pytest_torchscript.compare.mismatches import (
    DIFFERENT,
    EQUAL,
    UNDECIDABLE,
    Comparison,
    Mismatch,
    dtype_name,
    integer_mismatch,
    order_of,
)


def test_the_worst_leaf_comes_first() -> None:
    expected = {"a": torch.ones(3), "b": torch.ones(3), "c": torch.ones(3), "d": torch.ones(2)}
    actual = {"a": torch.ones(3) + 0.1, "b": torch.ones(3) + 7, "c": tensor(1, NAN, 1), "d": torch.ones(3)}
    found = compare_outputs(actual, expected, precise=lambda: {key: leaf.double() for key, leaf in expected.items()})
    assert [mismatch.path for mismatch in found.mismatches] == ["['d']", "['c']", "['b']", "['a']"]


def test_the_record_is_plain_data() -> None:
    found = only(compare_outputs((tensor(1, 3.5),), tensor(1, 1), precise=lambda: tensor(1, 1).double()))
    assert found.actual == 3.5
    assert found.expected == 1.0
    assert found.difference == 2.5
    assert compare_outputs((tensor(1, 3.5),), tensor(1, 1)).max_abs_difference == 2.5


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), size=st.integers(1, 300))
def test_required_is_the_tolerance_that_passes(seed: int, size: int) -> None:
    expected, actual = normal(size, seed=seed), normal(size, seed=seed) + 0.01 * normal(size, seed=seed + 1)
    found = compare_outputs((actual,), expected, rtol=0, atol=0)
    if found.agrees:
        return
    required = found.mismatches[0].required
    assert compare_outputs((actual,), expected, rtol=0, atol=required).agrees
    assert not compare_outputs((actual,), expected, rtol=0, atol=0.99 * required).agrees


def test_the_worst_kind_comes_before_the_largest_difference() -> None:
    kinds = ["undecidable", "values", "nonfinite", "dtype", "shape", "structure"]
    found = [Mismatch("x", kind, 0, 1, difference=1.0, allowed=0.5) for kind in kinds]
    small, large = (Mismatch("x", "values", 0, 1, difference=far, allowed=0.5) for far in (1.0, 9.0))
    assert [mismatch.kind for mismatch in sorted(found, key=order_of)] == kinds[::-1]
    assert sorted([small, large], key=order_of) == [large, small]


def test_an_integer_mismatch_names_its_first_place_and_its_largest_difference() -> None:
    pair = Pair("['ids']", torch.tensor([[1, 2], [9, 4]]), torch.tensor([[1, 3], [3, 4]]))
    difference = (pair.actual - pair.expected).abs()
    found = integer_mismatch(pair, difference > 0, difference)
    assert (found.index, found.actual, found.expected) == ((0, 1), 2, 3)
    assert (found.count, found.total, found.difference, found.required) == (2, 4, 1.0, 6.0)
    assert integer_mismatch(pair, difference > 0, None).difference is None


def test_only_an_equal_comparison_agrees() -> None:
    assert [Comparison(status).agrees for status in (EQUAL, DIFFERENT, UNDECIDABLE)] == [True, False, False]
    assert dtype_name(torch.bfloat16) == "bfloat16"
