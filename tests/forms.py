"""Modules that take inputs in the forms that people bring them in, and how they are asked."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from pytest_torchscript import check
from pytest_torchscript.results import ModelResult

QUICK = ("trace", "outputs", "axis", "joint", "values")


class Sum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, parts: Any) -> torch.Tensor:
        values = parts.values() if isinstance(parts, dict) else parts
        total = sum(self.layer(part) for part in values)
        assert isinstance(total, torch.Tensor)
        return total


class Switched(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(
        self, x: torch.Tensor, double: bool = False, *, scale: float = 1.0, mode: str = "sum", mask: Any = None
    ) -> torch.Tensor:
        x = self.layer(x) * scale
        x = x * 2 if double else x
        x = x if mask is None else x * mask
        return x.sum(-1) if mode == "sum" else x.mean(-1)


def run(model: Any, inputs: Any, *checks: str) -> ModelResult:
    model = model.eval() if isinstance(model, nn.Module) else model
    return check(
        model, inputs=inputs, checks=checks or QUICK, axes={"batch": "1:8"} if "batch" in str(inputs) else None
    )


def sound(model: Any, inputs: Any) -> ModelResult:
    result = run(model, inputs)
    assert result.passed, [item.message for item in result.failures]
    assert {axis.verdict for axis in result.exports[0].axes} <= {"dynamic"}
    return result
