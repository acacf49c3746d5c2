"""The call of torch at which eager breaks down."""

from __future__ import annotations

from pathlib import Path

import torch

from pytest_torchscript.tracing.eager_calls import first_nonfinite, raising_call


def multiply(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    kept = left + 0
    return torch.matmul(kept, right)  # here


def spoil(x: torch.Tensor) -> torch.Tensor:
    fill = torch.full((2,), float("-inf"))  # asked for
    gone = torch.exp(x * 1e3)  # here too
    return (gone - gone) + fill


def line(mark: str) -> int:
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return next(number for number, text in enumerate(lines, 1) if text.endswith(f"  # {mark}"))


def test_the_call_that_raises() -> None:
    found = raising_call(lambda: multiply(torch.ones(2, 2), torch.ones(2, 2, dtype=torch.float64)))
    assert found is not None
    assert (found.line, found.evidence) == (line("here"), "matmul raises")
    assert raising_call(lambda: multiply(torch.ones(2, 2), torch.ones(2, 2))) is None


def test_the_first_that_is_not_finite() -> None:
    found = first_nonfinite(lambda: spoil(torch.ones(2)))
    assert found is not None
    assert (found.line, found.evidence) == (line("here too"), "exp")
    assert first_nonfinite(lambda: multiply(torch.ones(2, 2), torch.ones(2, 2))) is None
