"""The parts of a reproducer; whole scripts are written and run by tests/plugin/test_option_reproducers.py."""

from __future__ import annotations

import pytest
import torch

from pytest_torchscript.checks.reproducer import _file_name, _tensor_code


def made(tensor: torch.Tensor) -> torch.Tensor:
    """Return what the code of a tensor makes."""
    generator = torch.Generator().manual_seed(0)
    value: torch.Tensor = eval(_tensor_code(tensor), {"torch": torch, "generator": generator, "float": float})
    assert (value.shape, value.dtype) == (tensor.shape, tensor.dtype)
    return value


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor([[1.5, float("inf")], [-float("inf"), 0.1]]),
        torch.tensor(3),
        torch.zeros(2, 500),
        torch.ones(100, 100, dtype=torch.int64),
        torch.tensor([True, False]),
        torch.tensor([1.5, 2.5], dtype=torch.float16),
        torch.zeros(0, 4),
        torch.arange(6).reshape(2, 3),
    ],
    ids=lambda tensor: f"{tuple(tensor.shape)}-{tensor.dtype}",
)
def test_small_and_constant_tensors_are_written_out(tensor: torch.Tensor) -> None:
    assert torch.equal(made(tensor), tensor)


def test_large_ones_are_drawn_alike() -> None:
    floats = made(torch.randn(50, 50, generator=torch.Generator().manual_seed(1)) * 3 + 7)
    assert abs(float(floats.mean()) - 7) < 0.5
    assert abs(float(floats.std()) - 3) < 0.5
    whole = made(torch.randint(5, 9, (50, 50), generator=torch.Generator().manual_seed(1)))
    assert (int(whole.min()), int(whole.max())) == (5, 8)
    made(torch.randn(50, 50, dtype=torch.complex64))


def test_names_that_look_alike_are_kept_apart() -> None:
    one, two = (_file_name(model, "axis[time]", "torchscript") for model in ("zoo:bad", "zoo/bad"))
    assert one != two
    assert one.startswith("zoo_bad-axis_time-")
    assert len(_file_name("x" * 500, "trace", "torchscript")) < 120
    assert "/" not in _file_name("../../etc/passwd", "trace", "torchscript")
