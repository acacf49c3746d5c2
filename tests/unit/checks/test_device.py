"""The check `device`: what a graph says of the device it was traced on."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_torchscript import TensorSpec, check
from pytest_torchscript.errors import OptionError
from pytest_torchscript.results import BOUND, FAILED, PASSED, PORTABLE, ExportResult

TORCH_2 = int(torch.__version__.partition(".")[0]) >= 2
X = {"x": TensorSpec("batch", 4)}


class OnTheDefaultDevice(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.arange(4)  # makes it


class OnTheDeviceOfTheInput(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.arange(4, device=x.device)  # makes it


class SentToTheCpu(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.to("cpu") * 2  # makes it


class MadeNew(nn.Module):
    """The graph makes the tensor where its input is."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + x.new_zeros(4)


class Held(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("steps", torch.arange(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.steps


class Dropped(nn.Module):
    """Names a device for what nothing uses."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.arange(4, device=x.device) + 1
        return x * 2


def export(module: nn.Module, **settings: object) -> ExportResult:
    return check(module.eval(), inputs=X, checks=["device"], **settings).exports[0]


@pytest.mark.parametrize("kind", [OnTheDefaultDevice, OnTheDeviceOfTheInput, SentToTheCpu])
def test_bound(kind: type[nn.Module]) -> None:
    found = export(kind())
    assert found.checks[0].outcome == PASSED  # everything works on the machine that traced it
    assert found.portability is not None
    assert (found.portability.verdict, found.portability.traced_on) == (BOUND, "cpu")
    assert found.portability.causes[0].source.endswith("# makes it")
    assert "constant device cpu" in found.portability.causes[0].evidence
    failed = export(kind(), map_location="cuda:0").checks[0]
    assert failed.outcome == FAILED
    assert "bound to cpu" in failed.message
    assert "it will be loaded on cuda:0" in failed.message
    assert "test_device.py:" in failed.message
    assert export(kind(), map_location="cpu").checks[0].outcome == PASSED


#: Older tracers write down where new_zeros made its tensor.
FOLLOWS = pytest.param(MadeNew, marks=pytest.mark.skipif(not TORCH_2, reason="torch 1.13 binds new_zeros too"))


@pytest.mark.parametrize("kind", [Held, Dropped, FOLLOWS])
def test_portable(kind: type[nn.Module]) -> None:
    found = export(kind(), map_location="cuda")
    assert found.checks[0].outcome == PASSED
    assert found.portability is not None
    assert (found.portability.verdict, found.portability.causes) == (PORTABLE, [])


def test_a_device_that_is_none() -> None:
    with pytest.raises(OptionError, match="device 'cdua' does not exist") as caught:
        check(Held(), inputs=X, map_location="cdua")
    assert "did you mean 'cuda'?" in caught.value.hint
    with pytest.raises(OptionError, match="'cuda:x' is not a device"):
        check(Held(), inputs=X, map_location="cuda:x")
