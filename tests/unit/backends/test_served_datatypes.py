from __future__ import annotations

import pytest
import torch

from pytest_torchscript.backends import Unsupported
from pytest_torchscript.backends.served import datatypes


@pytest.mark.parametrize(
    ("dtype", "datatype", "can"),
    [
        (torch.float32, "FP32", True),
        (torch.float32, "FP64", True),
        (torch.float32, "FP16", False),
        (torch.float16, "BF16", False),
        (torch.float32, "INT64", False),
        (torch.int64, "INT32", True),
        (torch.int64, "FP32", True),
        (torch.bool, "INT64", True),
        (torch.int64, "BYTES", False),
        (torch.complex64, "FP32", False),
    ],
)
def test_which_datatypes_fit(dtype, datatype, can):
    assert datatypes.can_become(dtype, datatype) is can


@pytest.mark.parametrize(
    "datatype", [name for name in datatypes.TORCH if not name.startswith("UINT") or name == "UINT8"]
)
def test_bytes_there_and_back(datatype):
    tensor = torch.tensor([[0, 1, 1], [1, 0, 1]]).to(datatypes.TORCH[datatype])
    back = datatypes.from_bytes(datatypes.to_bytes(tensor), datatype, (2, 3))
    assert back.dtype == tensor.dtype
    assert torch.equal(back, tensor)
    with pytest.raises(ValueError, match=r"."):
        datatypes.from_bytes(datatypes.to_bytes(tensor), datatype, (2, 4))


def test_bytes_that_torch_has_no_dtype_for():
    data = (70000).to_bytes(4, "little") + (2**32 - 1).to_bytes(4, "little")
    assert datatypes.from_bytes(data, "UINT32", (2,)).tolist() == [70000, 2**32 - 1]


def test_values_that_do_not_fit():
    with pytest.raises(Unsupported, match=r"input 'x': -1 does not go into the server's UINT8"):
        datatypes.converted(torch.tensor([-1, 3]), "UINT8", "x")
    with pytest.raises(Unsupported, match=r"input 'x': 9007199254740993 is beyond 2\*\*53"):
        datatypes.check_text(torch.tensor([2**53 + 1]), "INT64", "x")
    datatypes.check_text(torch.tensor([2**53]), "INT64", "x")
