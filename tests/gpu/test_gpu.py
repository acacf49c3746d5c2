"""What only a GPU can tell: devices that differ, kernels that round otherwise. Skipped where there is none."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_torchscript import Axis, TensorSpec, check

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device on this machine"),
]
SIGNAL = {"x": TensorSpec(Axis("batch", max=6), Axis("time", max=40), 4)}


class Layered(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x).cumsum(1)


class Bound(Layered):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) + torch.arange(4, device=x.device)


class Tabled(Layered):
    def __init__(self) -> None:
        super().__init__()
        self.table = torch.ones(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) + self.table


class Frozen(Layered):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x).sum(1) / float(x.shape[1])


@pytest.mark.parametrize("dtype", [None, "float16", "bfloat16", "float64"])
def test_a_sound_model(dtype: str | None) -> None:
    result = check(Layered().eval(), SIGNAL, device="cuda", dtype=dtype)
    assert result.passed
    assert result.device == "cuda:0"


def test_a_factory_that_returns_one_on_a_gpu() -> None:
    result = check(Layered().cuda().eval(), SIGNAL)
    assert result.passed
    assert result.device == "cuda:0"
    assert result.exports[0].portability.ran_on == ["cpu"]


def test_a_frozen_size_is_found_there() -> None:
    assert check(Frozen().eval(), SIGNAL, device="cuda", checks=["axis"]).axis("time").verdict == "diverges"


def test_a_trace_of_the_cpu_is_run_on_the_gpu() -> None:
    portable = check(Layered().eval(), SIGNAL, checks=["device"]).exports[0].portability
    assert (portable.verdict, portable.ran_on) == ("portable", ["cuda:0"])
    bound = check(Bound().eval(), SIGNAL, checks=["device"], map_location="cuda")
    assert bound.exports[0].portability.ran_on == []
    assert "on cuda:0 it raises" in bound.checks[0].message


def test_a_model_that_does_not_move_as_a_whole() -> None:
    with pytest.raises(Exception, match="Tabled does not run on cuda; on cpu it takes"):
        check(Tabled().eval(), SIGNAL, device="cuda")


def test_a_size_that_does_not_fit() -> None:
    class Large(Layered):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            spare = x.new_empty(2 ** (x.shape[1] // 4 + 24))
            return self.layer(x) + spare[:4] * 0

    result = check(Large().eval(), {"x": TensorSpec("batch", Axis("time", max=80), 4)}, device="cuda", checks=["axis"])
    assert "out of memory" in str(result.axis("time").reason)
