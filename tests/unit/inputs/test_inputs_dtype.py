"""Inputs that follow the dtype of their model."""

from __future__ import annotations

import pytest
import torch

from pytest_torchscript import InputSpec, TensorSpec
from pytest_torchscript.inputs.dtype import follow
from pytest_torchscript.inputs.values import make_inputs

SPEC = InputSpec(
    {
        "free": TensorSpec("batch", 4),
        "stated": TensorSpec("batch", dtype=torch.float32),
        "ids": TensorSpec("batch", role="ids", high=9),
        "mask": TensorSpec("batch", role="mask"),
        "complex": TensorSpec("batch", dtype=torch.complex64),
        "filled": TensorSpec("batch", fill=lambda generator, shape: torch.rand(shape, generator=generator)),
    },
    examples={"free": torch.ones(2, 4), "ids": torch.ones(2, dtype=torch.int64)},
)


def test_floats_follow_and_whole_numbers_stay() -> None:
    made = make_inputs(follow(SPEC, torch.bfloat16, declared=True), {"batch": 3}, seed=0)
    dtypes = {name: str(value.dtype).partition(".")[2] for name, value in made.items()}
    assert dtypes == {
        "free": "bfloat16",
        "stated": "bfloat16",
        "ids": "int64",
        "mask": "int64",
        "complex": "complex64",
        "filled": "bfloat16",
    }
    single = make_inputs(SPEC, {"batch": 3}, seed=0)
    for name in ("free", "stated", "filled"):  # the same numbers, rounded
        assert torch.equal(made[name], single[name].bfloat16())


def test_what_is_declared_stays_where_the_model_is_in_another_dtype_by_itself() -> None:
    made = follow(SPEC, torch.float64, declared=False)
    assert made["free"].dtype == torch.float64
    assert made["stated"].dtype == torch.float32
    assert made.examples["free"].dtype == torch.float64
    assert made.examples["ids"].dtype == torch.int64


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-0.3, 0.3), (None, 1.0), (2.0, 77.0)])
def test_high_stays_exclusive(dtype: torch.dtype, low: float | None, high: float) -> None:
    spec = follow(InputSpec({"x": TensorSpec("n", low=low, high=high)}), dtype, declared=True)
    values = make_inputs(spec, {"n": 20_000}, seed=0)["x"]
    assert float(values.max()) < high
    assert low is None or float(values.min()) >= float(torch.tensor(low, dtype=dtype))
