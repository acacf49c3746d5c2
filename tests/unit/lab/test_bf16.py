"""The model in bf16 on the CPU: in torch's own kernels, else rounded after every layer, else not at all."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_torchscript.lab.bf16 import IN_BF16, ROUNDED, Coarse, rounded
from pytest_torchscript.models.calling import Positional
from pytest_torchscript.models.eager import Eager
from tests import toys

X = {"x": torch.rand(2, 3, 4)}


class NoKernel(toys.Sound):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.dtype is torch.bfloat16:
            raise RuntimeError("not implemented for 'BFloat16'")
        return super().forward(x)


class OtherShape(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.dtype is torch.float32 else x[:1]


class NotFinite(nn.Module):
    """Cannot bear a number of few digits."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        coarse = torch.equal(x, x.bfloat16().to(x.dtype))
        return x * (float("nan") if coarse else 1.0)


def coarse_of(model: nn.Module) -> tuple[Coarse, torch.Tensor]:
    eager = Eager(Positional(model.eval(), ("x",)))
    return Coarse(eager), eager(X)


@pytest.mark.parametrize(("model", "how"), [(toys.Sound(), IN_BF16), (NoKernel(), ROUNDED)])
def test_it_is_near_and_says_how(model: nn.Module, how: str) -> None:
    coarse, reference = coarse_of(model)
    (answer,) = coarse(X, reference)
    assert coarse.how == how
    assert answer.dtype is torch.float32
    difference = (answer - reference).abs().max() / reference.abs().max()
    assert 1e-5 < difference < 5e-2


def test_weights_are_the_models_own_afterwards() -> None:
    model = NoKernel()
    before = model.linear.weight.detach().clone()
    coarse, reference = coarse_of(model)
    coarse(X, reference)
    coarse.free()
    assert torch.equal(coarse(X, reference)[0], coarse(X, reference)[0])
    assert torch.equal(model.linear.weight, before)


def test_rounding_leaves_what_bf16_can_hold() -> None:
    module = rounded(Positional(nn.Linear(4, 4), ("x",), keyword=False))
    weight = module.model.weight.detach()
    assert torch.equal(weight, weight.bfloat16().float())
    answer = module(X["x"])[0].detach()
    assert torch.equal(answer, answer.bfloat16().float())


def test_what_takes_another_path_in_bf16_is_rounded_instead() -> None:
    coarse, reference = coarse_of(OtherShape())
    assert coarse(X, reference)[0].shape == reference.shape
    assert coarse.how == ROUNDED


def test_what_gives_nan_either_way_measures_nothing() -> None:
    coarse, reference = coarse_of(NotFinite())
    with pytest.raises(ValueError, match="bf16 gives NaN where float32 is finite"):
        coarse(X, reference)
