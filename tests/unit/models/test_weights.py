"""The weights of a model that writes to them are put back as they were."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from pytest_torchscript.models import weights
from pytest_torchscript.models.weights import KeptWeights, are_many, bytes_of_weights


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


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "SPARE", 31)


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    "write",
    [
        lambda module: module.weight.data.mul_(2),
        lambda module: module.weight.detach()[0].zero_(),
        lambda module: setattr(module.weight, "data", torch.zeros(5)),
        lambda module: torch._foreach_mul_([module.weight.detach(), module.bias.detach()], 3.0),
    ],
    ids=["data", "view", "replaced", "several"],
)
def test_many_are_copied_when_they_are_written_to(write: Callable[[nn.Module], object]) -> None:
    module = linear()
    before = module.weight.detach().clone(), module.bias.detach().clone()
    kept = KeptWeights(module)
    for _ in range(2):
        with torch.no_grad(), kept.watching():
            module(torch.ones(1, 3))
            write(module)
        assert kept.put_back()
        assert torch.equal(module.weight, before[0])
        assert torch.equal(module.bias, before[1])
        assert not kept.put_back()


@pytest.mark.usefixtures("many")
def test_of_many_that_nobody_writes_to_there_is_one_copy() -> None:
    module = linear()
    assert are_many(module)
    kept = KeptWeights(module)
    with torch.no_grad(), kept.watching() as watch:
        module(torch.ones(1, 3))
        assert not watch.copied
    assert all(before.data_ptr() == weight.data_ptr() for weight, before in kept._weights)
    assert not kept.put_back()


def test_few_are_copied_at_once() -> None:
    module = linear()
    assert bytes_of_weights(module) == 4 * (6 + 2)
    assert not are_many(module)
    kept = KeptWeights(module)
    assert kept.kept
    assert all(before.data_ptr() != weight.data_ptr() for weight, before in kept._weights)
