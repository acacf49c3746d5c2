"""What a model computes in."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_torchscript.errors import ModelError
from pytest_torchscript.models.placing import device_of, dtype_name, dtype_of, in_dtype, placed


def test_of_a_module() -> None:
    assert dtype_of(nn.ReLU()) == torch.float32
    assert dtype_of(nn.Embedding(4, 4).half()) == torch.float16
    mixed = nn.Sequential(nn.Linear(8, 8).bfloat16(), nn.LayerNorm(8))
    assert dtype_of(mixed) == torch.bfloat16
    assert dtype_name(torch.bfloat16) == "bfloat16"
    assert device_of(nn.ReLU()) == torch.device("cpu")
    assert device_of(nn.Linear(2, 2).to("meta")) == torch.device("meta")


def test_the_users_own_module_is_left_as_it_is() -> None:
    given = nn.BatchNorm1d(4)
    made = placed(given, "m", "float64", own=False)
    assert dtype_of(made) == torch.float64
    assert dtype_of(given) == torch.float32
    assert made.num_batches_tracked.dtype == torch.int64
    assert placed(given, "m", "float32", own=False) is given
    assert placed(given, "m", None, own=False) is given
    assert placed(given, "m", "float64", own=True) is given


def test_complex_buffers_stay_complex() -> None:
    module = nn.Linear(2, 2)
    module.register_buffer("turns", torch.ones(2, dtype=torch.complex64))
    assert in_dtype(module, torch.bfloat16).turns.is_complex()


class Refuses(nn.Linear):
    def bfloat16(self) -> Refuses:
        raise ValueError("quantized models do not convert")


def test_a_module_that_cannot_be_turned() -> None:
    with pytest.raises(ModelError, match="zoo: it cannot be turned into bfloat16: ValueError: quantized") as caught:
        placed(Refuses(2, 2), "zoo", "bfloat16", own=False)
    assert caught.value.hint == "leave out --torchscript-dtype"
