"""Half precision: numbers that overflow there and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from pytest_torchscript import TensorSpec, check

X = {"x": TensorSpec("batch", 4, low=0.5, high=1.0)}
TORCH_2 = int(torch.__version__.partition(".")[0]) >= 2


class Overflows(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        large = x * 1e3
        squared = large * large  # overflows
        return squared - squared.mean(-1, keepdim=True)


class OverflowsInPart(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, x, x, x * 2e5], -1)


class NeverFinite(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / torch.zeros(4, dtype=x.dtype)


@pytest.mark.skipif(not TORCH_2, reason="torch 1.13 has no float16 on the CPU")
def test_an_overflow_is_told_and_nothing_passes_for_it() -> None:
    result = check(Overflows(), X, dtype="float16")
    found = {item.name: item for item in result.checks}
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, 1) if text.endswith("  # overflows"))
    said = f"eager overflows in float16, first at test_overflow.py:{line} (mul): 8 of 8 elements of the output are not finite"
    assert said in found["determinism"].message
    assert any(said in note for note in result.notes)
    for name in ("outputs", "axis[batch]", "values", "save_load", "freeze", "sensitivity"):
        assert found[name].outcome == "skipped"
        assert found[name].message.startswith(f"undecidable: {said}")
    assert check(Overflows(), X, dtype="bfloat16", checks=["outputs"]).passed


@pytest.mark.skipif(not TORCH_2, reason="torch 1.13 has no float16 on the CPU")
def test_what_is_left_is_compared() -> None:
    result = check(OverflowsInPart(), X, dtype="float16", checks=["determinism", "outputs"])
    assert [item.outcome for item in result.checks] == ["passed", "passed"]
    assert "8 of 32 elements of the output are not finite" in result.checks[0].message


def test_what_is_not_finite_in_float32_either_is_no_overflow() -> None:
    result = check(NeverFinite().eval(), X, dtype="bfloat16", checks=["determinism", "outputs"])
    assert [item.outcome for item in result.checks] == ["passed", "passed"]
    assert result.notes == []
