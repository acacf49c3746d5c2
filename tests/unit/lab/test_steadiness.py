"""Whether two calls of eager agree, and what is to be said where they do not."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_torchscript.lab.steadiness import Steadiness, steadiness_of
from pytest_torchscript.models.calling import Positional
from pytest_torchscript.models.eager import Eager
from tests import toys

X = {"x": torch.rand(2, 3, 4)}


class Grows(nn.Module):
    """Keeps a list that grows."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = [1.0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.steps.append(2 * self.steps[-1])
        return x + self.steps[-1]


def steadiness(model: nn.Module) -> Steadiness:
    return steadiness_of(Eager(Positional(model.eval(), ("x",))), X)


def test_a_sound_model_is_steady_and_so_is_one_that_draws_under_its_seed() -> None:
    assert steadiness(toys.Sound()) == Steadiness()
    assert steadiness(toys.SeededNoise()) == Steadiness(random=True)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (toys.Counter(), "it keeps `self.calls` between calls"),
        (Grows(), "it keeps `self.steps` between calls"),
        (toys.PythonRandom(), "it draws random numbers that no torch seed governs"),
        (toys.DropoutOn(), "dropout is left on in eval mode: dropout(p=0.5)"),
    ],
)
def test_an_unsteady_one_says_why(model: nn.Module, said: str) -> None:
    found = steadiness(model)
    assert found.fault.startswith(said)
    assert found.headline == f"not deterministic: {found.fault}"
    assert bool(found.kept) is ("self." in said)
