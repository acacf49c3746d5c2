"""A copy in double precision that holds no second copy of the weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_torchscript.common import jit
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.models.layer_by_layer import layer_by_layer

X = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))


class Stack(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.norm, self.scale = nn.BatchNorm1d(4), nn.Parameter(torch.tensor(0.5))
        self.second.weight = self.first.weight  # tied

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.second(torch.tanh(self.first(x)))) * self.scale


def test_it_answers_as_the_whole_model_in_that_dtype() -> None:
    torch.manual_seed(0)
    model = Stack().eval()
    turned = layer_by_layer(model, torch.float64)
    with torch.no_grad():
        answer = turned(X.double())
        whole = Stack().eval()
        whole.load_state_dict(model.state_dict())
        assert torch.equal(answer, whole.double()(X.double()))
        assert torch.equal(turned(X.double()), answer)


def test_the_weights_are_shared_before_and_after() -> None:
    model = Stack().eval()
    turned = layer_by_layer(model, torch.float64)
    with torch.no_grad():
        turned(X.double())
        model(X)
    assert [id(weight) for weight in turned.parameters()] == [id(weight) for weight in model.parameters()]
    assert model.norm.running_mean is not None
    assert model.norm.running_mean.dtype is torch.float32


def test_a_part_that_reads_anothers_weights_raises() -> None:
    class Reads(Stack):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.linear(x, self.first.weight)

    with pytest.raises(RuntimeError, match=r"dtype|scalar type"):
        layer_by_layer(Reads(), torch.float64)(X.double())


def test_scripted_parts_are_refused() -> None:
    with quiet(), pytest.raises(TypeError, match="scripted"):
        layer_by_layer(nn.Sequential(jit.trace(nn.ReLU().eval(), (X,))), torch.float64)
