from __future__ import annotations

import pytest
import torch

from pytest_torchscript.common.hashing import bytes_of


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.complex64])
def test_equal_numbers_are_equal_bytes_whatever_their_strides(dtype: torch.dtype) -> None:
    numbers = torch.tensor([[0, 1], [1, 1]]).to(dtype)
    assert bytes(bytes_of(numbers)) == bytes(bytes_of(numbers.t().contiguous().t()))
    assert bytes(bytes_of(numbers)) != bytes(bytes_of(torch.zeros(2, 2).to(dtype)))
    assert bytes(bytes_of(numbers)) != bytes(bytes_of(numbers.flip(0)))


def test_a_number_without_dims_and_none_at_all() -> None:
    assert len(bytes(bytes_of(torch.tensor(1.0)))) == 4
    assert bytes(bytes_of(torch.zeros(0, 3))) == b""
