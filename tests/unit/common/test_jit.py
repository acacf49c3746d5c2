"""The one call of the tracer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_torchscript.common import jit
from pytest_torchscript.common.silence import quiet


class Writes(nn.Module):
    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"x": x.mul_(2)}


def test_the_example_stays_as_it_was_and_nothing_asks_for_gradients() -> None:
    x = torch.ones(2, requires_grad=True)
    with quiet():
        traced = jit.trace(nn.Linear(2, 2), (x,))
        jit.trace(Writes(), (y := torch.ones(2),))
    assert x.grad_fn is None
    assert torch.equal(y, torch.ones(2))
    assert traced(x).shape == (2,)


def test_a_function_is_traced_too() -> None:
    def double(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    with quiet():
        assert torch.equal(jit.trace(double, (torch.ones(2),))(torch.ones(3)), torch.full((3,), 2.0))


def test_torch_can_be_asked_strictly() -> None:
    with quiet(), pytest.raises(RuntimeError, match="dict"):
        jit.trace(Writes(), (torch.ones(2),), strict=True)
