"""How far an answer may be: by the dtype, by how it was made, or as the user says."""

from __future__ import annotations

import pytest
import torch

from pytest_torchscript.compare.compare import compare_outputs
from pytest_torchscript.compare.tolerances import GivenTolerance, closeness_named, decidable, real_dtype, rtol_of
from pytest_torchscript.errors import OptionError


@pytest.mark.parametrize(
    ("options", "said"), [({"rtol": 1e-3}, "rtol is given without atol"), ({"atol": 0}, "atol is given")]
)
def test_one_tolerance_alone_is_an_error(options: dict[str, float], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        compare_outputs(torch.ones(1), torch.ones(1), **options)


def test_negative_tolerances_and_unknown_closeness_are_errors() -> None:
    with pytest.raises(OptionError, match="not negative"):
        compare_outputs(torch.ones(1), torch.ones(1), rtol=-1, atol=0)
    with pytest.raises(
        OptionError,
        match=r"closeness='trace' is unknown\n.*hint: did you mean 'traced'\? choose from: traced, optimised",
    ):
        compare_outputs(torch.ones(1), torch.ones(1), closeness="trace")


DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


@pytest.mark.parametrize("dtype", DTYPES)
def test_reordered_work_is_allowed_what_torchs_own_tests_allow(dtype: torch.dtype) -> None:
    made, _ = torch.testing._comparison.default_tolerances(dtype)
    assert closeness_named("optimised").relative(dtype) == rtol_of(dtype) == made
    assert closeness_named("traced").relative(dtype) == 4 * torch.finfo(dtype).eps


def test_without_a_measure_the_allowance_is_wider() -> None:
    for name, factor in (("traced", 4), ("optimised", 32)):
        assert closeness_named(name).relative(torch.float32, wide=True) == factor * 1.3e-6


def test_complex_numbers_are_allowed_what_their_parts_are() -> None:
    assert real_dtype(torch.complex64) is torch.float32
    assert decidable(torch.complex128) == decidable(torch.float64) == 1e-3
    assert [decidable(dtype) for dtype in DTYPES] == sorted(decidable(dtype) for dtype in DTYPES)


def test_what_is_given_is_both_or_neither() -> None:
    assert GivenTolerance.from_options(None, None) is None
    assert GivenTolerance.from_options(0.1, 0.0) == GivenTolerance(0.1, 0.0)
