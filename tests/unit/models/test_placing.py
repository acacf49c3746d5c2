"""What a model computes in."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_torchscript.errors import ModelError
from pytest_torchscript.models.placing import device_of, dtype_name, dtype_of, in_dtype, is_at, outline_of, placed


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
    made = placed(given, "m", device=None, dtype="float64", own=False)
    assert dtype_of(made) == torch.float64
    assert dtype_of(given) == torch.float32
    assert made.num_batches_tracked.dtype == torch.int64
    assert placed(given, "m", device=None, dtype="float32", own=False) is given
    assert placed(given, "m", device=None, dtype=None, own=False) is given
    assert placed(given, "m", device="cpu", dtype=None, own=False) is given
    assert device_of(placed(given, "m", device="meta", dtype=None, own=False)) == torch.device("meta")
    assert device_of(given) == torch.device("cpu")
    assert placed(given, "m", device=None, dtype="float64", own=True) is given


def test_complex_buffers_stay_complex() -> None:
    module = nn.Linear(2, 2)
    module.register_buffer("turns", torch.ones(2, dtype=torch.complex64))
    assert in_dtype(module, torch.bfloat16).turns.is_complex()


class Refuses(nn.Linear):
    def bfloat16(self) -> Refuses:
        raise ValueError("quantized models do not convert")


def test_a_module_that_cannot_be_turned() -> None:
    with pytest.raises(ModelError, match="zoo: it cannot be turned into bfloat16: ValueError: quantized") as caught:
        placed(Refuses(2, 2), "zoo", device=None, dtype="bfloat16", own=False)
    assert caught.value.hint == "leave out --torchscript-dtype bfloat16"


class Large(nn.Linear):
    def to(self, *args: object, **kwargs: object) -> Large:
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")


def test_a_module_that_cannot_be_moved() -> None:
    with pytest.raises(ModelError, match="zoo: it cannot be moved to meta: NotImplementedError: Cannot copy") as caught:
        placed(Large(2, 2), "zoo", device="meta", dtype=None, own=False)
    assert caught.value.hint == "leave out --torchscript-device meta"


def test_what_a_device_is_called() -> None:
    assert is_at(torch.device("cuda:1"), torch.device("cuda"))
    assert not is_at(torch.device("cuda:1"), torch.device("cuda:0"))
    assert not is_at(torch.device("cpu"), torch.device("cuda"))


def test_an_outline_holds_no_numbers_and_leaves_the_module_alone() -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.LSTM(3, 2), nn.BatchNorm1d(2))
    outline = outline_of(module)
    assert outline is not None
    assert {each.device.type for each in (*outline.parameters(), *outline.buffers())} == {"meta"}
    assert {each.device.type for each in (*module.parameters(), *module.buffers())} == {"cpu"}


class Stuck(nn.Linear):
    """Cannot be copied, and what is tried is the module itself."""

    def __deepcopy__(self, memo: object) -> Stuck:
        return self


@pytest.mark.filterwarnings("ignore")
def test_there_is_no_outline_of_what_cannot_be_copied() -> None:
    assert outline_of(nn.Sequential(Stuck(2, 2))) is None
    assert outline_of(torch.jit.script(nn.Linear(2, 2))) is None
