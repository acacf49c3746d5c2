"""Operations that take a constant device, by that device; what nothing uses binds nothing."""

from __future__ import annotations

import torch
from torch import nn

from pytest_torchscript.common import jit
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.tracing.devices import bound_operations


class Makes(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.arange(x.shape[1], device="cpu")


class MakesAndDrops(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _ = torch.arange(x.shape[1], device="cpu")
        return x * 2


def bound(model: nn.Module) -> dict[str, list[str]]:
    with quiet():
        found = bound_operations(jit.trace(model, (torch.ones(2, 3),)))
    return {device: [f"{cause.source} # {cause.evidence}" for cause in causes] for device, causes in found.items()}


def test_a_device_that_is_written_down_is_named_with_its_line() -> None:
    assert bound(Makes()) == {
        "cpu": ['return x + torch.arange(x.shape[1], device="cpu") # arange takes the constant device cpu']
    }


def test_what_is_dropped_or_follows_its_input_binds_nothing() -> None:
    assert bound(MakesAndDrops()) == {}
    assert bound(nn.Linear(3, 3)) == {}
