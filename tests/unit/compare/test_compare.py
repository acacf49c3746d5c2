"""Every rule of the comparison, seen to pass and to fail."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from leaf_values import EPS, INF, NAN, forbidden, normal, only, tensor

from pytest_torchscript.compare.compare import Comparison, compare_outputs

# Shape, dtype, the fast way out


def test_bit_equal_outputs_need_no_float64_run() -> None:
    leaf = normal(3, 5)
    found = compare_outputs((leaf.clone(),), leaf, precise=forbidden)
    assert found.agrees
    assert found == Comparison("equal")


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (1,)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.complex64])
def test_empty_and_0d_leaves(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    leaf = torch.ones(shape, dtype=dtype)
    assert compare_outputs([leaf.clone()], leaf).agrees
    if leaf.numel():
        assert not compare_outputs([torch.zeros_like(leaf)], leaf).agrees


def test_shape_comes_before_values() -> None:
    found = only(compare_outputs((normal(2, 3),), normal(3, 2)))
    assert (found.kind, found.actual, found.expected) == ("shape", (2, 3), (3, 2))


def test_empty_leaves_of_other_shapes_differ() -> None:
    assert only(compare_outputs((torch.zeros(0, 3),), torch.zeros(0, 4))).kind == "shape"


def test_dtype_must_match_even_where_values_do() -> None:
    found = only(compare_outputs((torch.ones(2),), torch.ones(2, dtype=torch.float64)))
    assert (found.kind, found.actual, found.expected) == ("dtype", "float32", "float64")


def test_meta_tensors_are_compared_by_shape_only() -> None:
    found = compare_outputs((torch.ones(2, device="meta"),), torch.ones(2, device="meta"))
    assert found.agrees
    assert "meta" in found.notes[0]
    assert not compare_outputs((torch.ones(3, device="meta"),), torch.ones(2, device="meta")).agrees


# Calibration


def test_traced_allows_four_units_in_the_last_place_of_the_scale() -> None:
    expected = normal(1000)
    scale = float(expected.abs().max())
    close, far = expected.clone(), expected.clone()
    close[7] += 3 * EPS * scale
    far[7] += 6 * EPS * scale
    assert compare_outputs((close,), expected, precise=forbidden).agrees
    found = only(compare_outputs((far,), expected, precise=lambda: expected.double()))
    assert found.kind == "values"
    assert found.index == (7,)
    assert found.count == 1
    assert found.total == 1000
    assert found.allowed == pytest.approx(4 * EPS * scale)
    assert found.required == pytest.approx(6 * EPS * scale, rel=0.2)


def test_a_faint_defect_of_the_whole_leaf_is_found() -> None:
    expected = normal(100_000).abs() + 1
    assert not compare_outputs((expected * (1 + 2e-6),), expected, precise=lambda: expected.double()).agrees


def test_a_shifted_mean_of_a_large_leaf_is_found() -> None:
    expected = normal(100_000)
    shifted = expected + 1e-6 * float(expected.abs().max())
    assert not compare_outputs((shifted,), expected, precise=lambda: expected.double()).agrees


def test_noise_of_eager_widens_what_is_allowed() -> None:
    expected = normal(100)
    precise = expected.double()
    precise[3] += 1e-5
    within, beyond = expected.clone(), expected.clone()
    within[50] += 3.9e-5
    beyond[50] += 4.1e-5
    assert compare_outputs((within,), expected, precise=lambda: precise).agrees
    found = only(compare_outputs((beyond,), expected, precise=lambda: precise))
    assert found.allowed == pytest.approx(4e-5, rel=1e-2)
    assert compare_outputs((beyond,), expected, precise=lambda: precise, closeness="optimised").agrees


def test_leaves_are_calibrated_one_by_one() -> None:
    quiet, loud = normal(50), 1000 * normal(50, seed=1)
    noisy = loud.double()
    noisy[0] += 0.1
    wrong = quiet.clone()
    wrong[9] += 1e-4
    found = compare_outputs((wrong, loud), (quiet, loud), precise=lambda: (quiet.double(), noisy))
    assert only(found).path == "[0]"


@pytest.mark.parametrize(
    ("dtype", "rtol"), [(torch.float32, 1.3e-6), (torch.bfloat16, 1.6e-2), (torch.float16, 1e-3), (torch.float64, 1e-7)]
)
def test_optimised_allows_the_rtol_of_assert_close_of_the_scale(dtype: torch.dtype, rtol: float) -> None:
    expected = torch.linspace(0.5, 1, 64, dtype=torch.float64).to(dtype)
    actual = expected.clone()
    actual[0] += 0.9 * rtol
    wrong = expected.clone()
    wrong[0] += 3 * rtol
    assert compare_outputs((actual,), expected, precise=forbidden, closeness="optimised").agrees
    precise = expected.double()
    assert not compare_outputs((wrong,), expected, precise=lambda: precise, closeness="optimised").agrees


def test_the_float64_run_happens_once() -> None:
    calls = []

    def precise() -> object:
        calls.append(1)
        return [leaf.double() for leaf in expected]

    expected = [normal(10), normal(10, seed=1)]
    assert not compare_outputs([leaf + 1 for leaf in expected], expected, precise=precise).agrees
    assert calls == [1]


def _raises() -> object:
    raise RuntimeError("expected scalar type Double")


@pytest.mark.parametrize(
    ("precise", "reason"),
    [
        (_raises, "it raised RuntimeError: expected scalar type Double"),
        (lambda: None, "could not be made"),
        (lambda: (torch.full((4,), NAN).double(), torch.arange(4)), "not finite at [0]"),
        (lambda: (torch.ones(5).double(), torch.arange(4)), "another path: shape (5,) instead of (4,)"),
        (lambda: (torch.ones(4).double(), torch.arange(4) + 1), "other integers at [1]"),
        (lambda: (torch.ones(4).double(),), "another structure"),
    ],
)
@pytest.mark.parametrize(("closeness", "factor"), [("traced", 4), ("optimised", 32)])
def test_without_a_float64_run_the_tolerance_is_wider_and_said(precise, reason, closeness, factor) -> None:
    expected = (torch.ones(4), torch.arange(4))
    allowed = factor * 1.3e-6
    close = (tensor(1, 1, 1, 1 + 0.8 * allowed), torch.arange(4))
    far = (tensor(1, 1, 1, 1 + 1.3 * allowed), torch.arange(4))
    found = compare_outputs(close, expected, precise=precise, closeness=closeness)
    assert found.agrees
    assert reason in found.notes[0]
    assert only(compare_outputs(far, expected, precise=precise, closeness=closeness)).allowed == pytest.approx(allowed)


@pytest.mark.parametrize(
    ("dtype", "part"), [(torch.float32, 1e-3), (torch.float64, 1e-3), (torch.float16, 0.05), (torch.bfloat16, 0.1)]
)
def test_a_difference_that_only_a_very_noisy_model_excuses_is_undecidable(dtype: torch.dtype, part: float) -> None:
    expected = torch.ones(8, dtype=dtype)
    precise = expected.double().clone()
    precise[0] += 0.73
    above, below, wrong = expected.clone(), expected.clone(), expected.clone()
    above[3] += 1.3 * part
    below[3] += 0.8 * part
    wrong[3] += 4
    found = compare_outputs((above,), expected, precise=lambda: precise)
    assert found.status == "undecidable"
    assert not found.agrees
    assert "undecidable" in found.notes[0]
    assert only(found).kind == "undecidable"
    assert compare_outputs((below,), expected, precise=lambda: precise).agrees
    assert compare_outputs((wrong,), expected, precise=lambda: precise).status == "different"


def test_one_wrong_leaf_outweighs_an_undecidable_one() -> None:
    ones = torch.ones(4)
    found = compare_outputs((ones + 0.5, ones + 0.5), (ones, ones), precise=lambda: (ones.double() + 1, ones.double()))
    assert found.status == "different"
    assert [mismatch.kind for mismatch in found.mismatches] == ["values", "undecidable"]


# Not finite, and very large


# Integers, booleans, complex


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_integers_are_exact(dtype: torch.dtype) -> None:
    expected = torch.arange(6, dtype=dtype).reshape(2, 3)
    actual = expected.clone()
    actual[1, 2] += 1
    found = only(compare_outputs((actual,), expected))
    assert (found.kind, found.index, found.actual, found.expected, found.count) == ("values", (1, 2), 6, 5, 1)


def test_booleans_are_exact() -> None:
    expected = torch.tensor([True, False])
    found = only(compare_outputs((torch.tensor([True, True]),), expected))
    assert (found.index, found.actual, found.expected, found.count) == ((1,), True, False, 1)


def test_complex_values() -> None:
    expected = torch.complex(normal(20), normal(20, seed=1))
    assert compare_outputs((expected * (1 + EPS),), expected, precise=forbidden).agrees
    wrong = expected.clone()
    wrong[4] += 1e-3j
    assert only(compare_outputs((wrong,), expected, precise=lambda: expected.to(torch.complex128))).index == (4,)
    broken = expected.clone()
    broken[4] = complex(float(expected[4].real), NAN)
    assert only(compare_outputs((broken,), expected, precise=forbidden)).kind == "nonfinite"
    assert compare_outputs((broken.clone(),), broken, precise=forbidden).agrees


def test_sparse_and_quantised_leaves() -> None:
    dense = torch.tensor([[0.0, 2.0], [0.0, 0.0]])
    assert compare_outputs((dense.to_sparse(),), dense.to_sparse()).agrees
    assert not compare_outputs(((2 * dense).to_sparse(),), dense.to_sparse()).agrees


# The user's own tolerance


def test_given_tolerances_replace_the_calibrated_one_and_it_is_said() -> None:
    expected = tensor(1, 100)
    inside = compare_outputs((tensor(1.05, 110),), expected, precise=forbidden, rtol=0.1, atol=0)
    assert inside.agrees
    assert inside.notes == ("compared with rtol=0.1 atol=0 as given, not calibrated",)
    found = only(compare_outputs((tensor(1.2, 110),), expected, precise=forbidden, rtol=0.1, atol=0.05))
    assert found.index == (0,)
    assert found.allowed == pytest.approx(0.15)
    assert found.required == pytest.approx(0.1, rel=1e-4)
    assert compare_outputs((tensor(1, NAN),), tensor(1, NAN), rtol=0, atol=0).agrees
    assert not compare_outputs((tensor(1, 5),), tensor(1, INF), rtol=1, atol=1e9).agrees


def test_given_tolerances_leave_structure_shape_and_token_ids_alone() -> None:
    ids = torch.tensor([30000])
    assert not compare_outputs((ids + 5,), ids, rtol=1e-2, atol=1e-2).agrees
    pixels = torch.tensor([100], dtype=torch.uint8)
    assert compare_outputs((pixels + 1,), pixels, rtol=0, atol=1).agrees
    assert not compare_outputs((torch.ones(2),), torch.ones(3), rtol=1, atol=1).agrees


# What a mismatch holds


@settings(deadline=None, max_examples=60)
@given(
    shape=st.lists(st.integers(1, 4), max_size=3),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16]),
    closeness=st.sampled_from(["traced", "optimised"]),
    factor=st.floats(1e-6, 1e6),
    seed=st.integers(0, 1000),
)
def test_a_leaf_equals_itself_and_never_one_moved_by_a_tenth_of_its_scale(
    shape, dtype, closeness, factor, seed
) -> None:
    expected = (normal(*shape, seed=seed).double() * min(factor, 1e3)).to(dtype)
    scale = float(expected.abs().max())
    if scale < 1e-3:
        return
    assert compare_outputs((expected.clone(),), expected, precise=forbidden, closeness=closeness).agrees
    wrong = expected.clone()
    flat = wrong.reshape(-1)
    flat[seed % flat.numel()] += 0.1 * scale + float(flat[seed % flat.numel()].abs()) * 0.1
    found = compare_outputs((wrong,), expected, precise=expected.double, closeness=closeness)
    assert found.status == "different"
    assert found.mismatches[0].required >= found.mismatches[0].allowed


def test_a_coarser_answer_beside_float64_is_measured_by_the_ratio_of_units() -> None:
    """Eager in float64 has nothing wider beside it: its rounding is that of float32, less the digits it has more."""
    torch.manual_seed(0)
    expected = torch.randn(64, dtype=torch.float64)
    coarse = expected.float() * (1 + 2**-23)
    noise = float((expected - coarse.double()).abs().max()) * 2.0**-29
    for factor, status in ((3.0, "equal"), (40.0, "different")):
        actual = expected.clone()
        actual[5] += factor * noise
        assert compare_outputs(actual, expected, precise=lambda: coarse).status == status
    assert compare_outputs(expected + 1e-12, expected, precise=lambda: coarse).status == "different"


def test_tf32_has_the_digits_of_float16() -> None:
    """Its rounding is a thousand times that of float32: what that explains can be told apart up to 5 % of the scale."""
    expected = torch.linspace(-1, 1, 64)
    precise = expected.double() + 1.5e-3
    actual = expected + 2e-3
    assert compare_outputs(actual, expected, precise=lambda: precise).status == "undecidable"
    assert compare_outputs(actual, expected, precise=lambda: precise, tf32=True).status == "equal"
    assert compare_outputs(expected + 0.1, expected, precise=lambda: precise, tf32=True).status == "different"
    assert compare_outputs(expected + 1e-3, expected, tf32=True).status == "equal"  # nothing to calibrate on: 4 x 1e-3
    assert compare_outputs(expected + 1e-3, expected).status == "different"
    assert compare_outputs(actual.double(), expected.double(), tf32=True).status == "different"
