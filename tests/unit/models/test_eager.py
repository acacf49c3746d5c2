"""Eager calls do not spoil each other, whatever a model does to itself when called."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_torchscript.common.silence import quiet
from pytest_torchscript.models.calling import Positional
from pytest_torchscript.models.eager import Eager
from tests import histories, toys

X = {"x": torch.ones(2, 11, 4)}


def eager_of(model: nn.Module) -> Eager:
    return Eager(Positional(model.eval(), ("x",)))


@pytest.mark.parametrize("model", [*histories.CHANGES_ITS_ANSWER, *histories.CHANGES_ITS_TRACE, histories.DividesOnce])
def test_every_call_is_the_first(model: type[nn.Module]) -> None:
    module = model()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    eager = eager_of(module)
    first = eager(X)
    for _ in range(3):
        assert torch.equal(eager(X), first)
        eager({"x": torch.ones(1, 3, 4)})
        assert torch.equal(eager.run(eager.copy(), X), first)
    after = module.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def shared(eager: Eager, module: nn.Module) -> bool:
    return all(a.data_ptr() == b.data_ptr() for a, b in zip(eager.copy().parameters(), module.parameters()))


def test_weights_are_shared_once_a_call_left_them_alone() -> None:
    module = toys.Sound()
    eager = eager_of(module)
    assert not shared(eager, module)
    eager(X)
    assert eager.shares
    assert shared(eager, module)


def test_weights_of_a_model_that_writes_to_them_are_never_shared() -> None:
    module = histories.DividesOnce()
    eager = eager_of(module)
    eager(X)
    assert not eager.shares
    assert not shared(eager, module)


class Strict(histories.DividesOnce):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] > 2:
            raise ValueError("too many rows")
        return super().forward(x)


def test_a_call_that_is_refused_shows_nothing() -> None:
    module = Strict()
    eager = eager_of(module)
    with pytest.raises(ValueError, match="too many rows"):
        eager({"x": torch.ones(3, 11, 4)})
    eager(X)
    assert not eager.shares


def test_many_weights_are_shared_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_torchscript.models.eager._SPARE", 1)
    module = toys.Sound()
    assert shared(eager_of(module), module)


def test_a_model_that_computes_its_weights_anew_is_not_copied_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    copies: list[object] = []
    with quiet():  # deprecated, and used
        module = nn.utils.weight_norm(nn.Linear(4, 4))
    eager = Eager(Positional(module.eval(), ("input",)))
    eager({"input": X["x"]})
    monkeypatch.setattr(Eager, "copy", lambda self, **_: copies.append(self))
    for _ in range(3):
        eager({"input": X["x"]})
    assert copies == []
