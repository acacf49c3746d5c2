"""Values to compare, and what is found of them."""

from __future__ import annotations

import torch

from pytest_torchscript.compare.compare import Comparison

NAN, INF = float("nan"), float("inf")


EPS = torch.finfo(torch.float32).eps


def tensor(*values: float, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor(values, dtype=dtype)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def forbidden() -> object:
    raise AssertionError("the float64 run was not needed")


def only(comparison: Comparison):
    assert len(comparison.mismatches) == 1, comparison
    return comparison.mismatches[0]
