"""Eager, the truth: one call cannot spoil the next."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_torchscript.common.phases import Passes
from pytest_torchscript.models.calling import Positional
from pytest_torchscript.models.eager import Eager
from pytest_torchscript.models.weights import KeptWeights
from tests import histories, toys

X = torch.ones(2, 3, 4)


def eager_of(model: nn.Module, **settings: object) -> Eager:
    return Eager(Positional(model.eval(), ("x",)), **settings)


def test_a_model_that_writes_into_its_input_spoils_no_other_call() -> None:
    eager, given = eager_of(toys.WritesIntoInput()), X.clone()
    assert torch.equal(eager({"x": given}), eager({"x": given}))
    assert torch.equal(given, X)


def test_a_model_that_counts_its_calls_is_fresh_each_time() -> None:
    model = toys.Counter()
    eager = eager_of(model)
    assert [eager({"x": X})[0, 0, 0].item() for _ in range(3)] == [2, 2, 2]
    assert model.calls == 0
    copy = eager.copy()
    assert [eager.run(copy, {"x": X})[0, 0, 0].item() for _ in range(2)] == [2, 3]


def test_every_call_starts_from_its_seed_and_leaves_torchs_own_alone() -> None:
    eager = eager_of(toys.SeededNoise(), seed=4)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    first = eager({"x": X})
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(eager({"x": X}), first)
    assert not torch.equal(eager({"x": X}, seed=5), first)
    assert eager.drew
    steady = eager_of(toys.Sound())
    steady({"x": X})
    assert not steady.drew


def test_copies_share_weights_unless_they_may_be_written_to() -> None:
    model = toys.Sound()
    eager = eager_of(model)
    assert eager.copy().model.linear.weight is model.linear.weight
    assert eager.copy(share=False).model.linear.weight is not model.linear.weight
    assert eager.in_float64().model.linear.weight.dtype is torch.float64
    assert model.linear.weight.dtype is torch.float32


def test_passes_are_counted_also_together_with_others() -> None:
    counted = Passes()
    one, other = eager_of(toys.Sound(), counted=counted), eager_of(toys.Sound(), counted=counted)
    one({"x": X})
    other({"x": X})
    assert (one.passes, other.passes, counted.count) == (1, 1, 2)


def test_no_gradients_are_kept() -> None:
    assert not eager_of(toys.Sound())({"x": X}).requires_grad


WRITES = [histories.DividesOnce, histories.DecaysWeight, histories.SwapsWeight]


@pytest.mark.parametrize("model", WRITES)
def test_weights_that_a_call_writes_to_are_put_back_and_no_longer_shared(model: type[nn.Module]) -> None:
    module = model()
    before = module.linear.weight.detach().clone()
    eager = eager_of(module)
    first = eager({"x": X})
    assert not eager.shares
    for _ in range(2):
        assert torch.equal(eager({"x": X}), first)
        assert torch.equal(eager.run(eager.copy(), {"x": X}), first)
    assert torch.equal(module.linear.weight, before)


class Strict(histories.DividesOnce):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] > 2:
            raise ValueError("too many rows")
        return super().forward(x)


def test_a_call_that_is_refused_shows_nothing_yet() -> None:
    eager = eager_of(Strict())
    with pytest.raises(ValueError, match="too many rows"):
        eager({"x": torch.ones(3, 3, 4)})
    assert eager.shares
    eager({"x": X})
    assert not eager.shares


def test_many_weights_that_a_model_writes_to_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_torchscript.models.weights.SPARE", 1)
    module = histories.DividesOnce().eval()
    before = module.linear.weight.detach().clone()
    eager = eager_of(module)
    assert eager.many_weights
    first = eager({"x": X})
    assert not eager.shares
    assert torch.equal(eager({"x": X}), first)
    assert torch.equal(module.linear.weight, before)


def test_weights_of_another_shape_and_nan_are_put_back() -> None:
    module = nn.Linear(2, 2)
    with torch.no_grad():
        module.bias[0] = float("nan")
    kept = KeptWeights(module)
    assert not kept.put_back()  # NaN stays NaN
    module.weight.data = torch.ones(3, 2)
    assert kept.put_back()
    assert module.weight.shape == (2, 2)
