"""The weights of a model that writes to them are put back as they were."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from pytest_torchscript.models import weights
from pytest_torchscript.models.weights import KeptWeights, bytes_of_weights


def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 2)


def test_numbers_that_a_call_wrote_are_put_back() -> None:
    module = linear()
    before = module.weight.detach().clone()
    kept = KeptWeights(module)
    module.weight.data.mul_(2)
    module.bias.data = torch.zeros(5)
    assert kept.put_back()
    assert torch.equal(module.weight, before)
    assert module.bias.shape == (2,)
    assert not kept.put_back()


def test_nan_is_no_change() -> None:
    module = linear()
    module.weight.data[0, 0] = float("nan")
    assert not KeptWeights(module).put_back()


@pytest.mark.parametrize(
    "make", [nn.ReLU, lambda: nn.Linear(3, 2, device="meta"), lambda: nn.LazyLinear(2)], ids=["none", "meta", "lazy"]
)
@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_where_there_are_no_numbers_none_are_kept(make: Callable[[], nn.Module]) -> None:
    assert not KeptWeights(make()).kept


def test_too_many_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    module = linear()
    assert bytes_of_weights(module) == 4 * (6 + 2)
    assert KeptWeights(module).kept
    monkeypatch.setattr(weights, "SPARE", 31)
    assert not KeptWeights(module).kept
