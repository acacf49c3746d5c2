"""What tensors are called on the wire, in the words of the Open Inference Protocol, and which of ours can become which."""

from __future__ import annotations

import torch

from pytest_torchscript.backends.base import Unsupported

#: As a server's tensor is held here. torch has no unsigned integers of more than a byte in all of its releases.
TORCH = {
    "BOOL": torch.bool,
    "UINT8": torch.uint8,
    "UINT16": torch.int32,
    "UINT32": torch.int64,
    "UINT64": torch.int64,
    "INT8": torch.int8,
    "INT16": torch.int16,
    "INT32": torch.int32,
    "INT64": torch.int64,
    "FP16": torch.float16,
    "BF16": torch.bfloat16,
    "FP32": torch.float32,
    "FP64": torch.float64,
}
#: As a tensor of ours goes by itself.
NAMES = {dtype: name for name, dtype in TORCH.items() if not name.startswith("UINT") or name == "UINT8"}
#: TensorFlow's own words for them.
OF_TENSORFLOW = {
    "DT_BOOL": "BOOL",
    "DT_UINT8": "UINT8",
    "DT_UINT16": "UINT16",
    "DT_UINT32": "UINT32",
    "DT_UINT64": "UINT64",
    "DT_INT8": "INT8",
    "DT_INT16": "INT16",
    "DT_INT32": "INT32",
    "DT_INT64": "INT64",
    "DT_HALF": "FP16",
    "DT_BFLOAT16": "BF16",
    "DT_FLOAT": "FP32",
    "DT_DOUBLE": "FP64",
    "DT_STRING": "BYTES",
}
#: What text cannot carry: bytes alone.
HALVES = ("FP16", "BF16")
#: Whole numbers up to which those who read text into doubles lose nothing; and the same for the smaller floats.
_EXACT = {"FP64": 2**53, "FP32": 2**24, "FP16": 2**11, "BF16": 2**8}
_RANGES = {
    "BOOL": (0, 1),
    **{f"UINT{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
}
_WIDER = {
    "FP16": ("FP16", "FP32", "FP64"),
    "BF16": ("BF16", "FP32", "FP64"),
    "FP32": ("FP32", "FP64"),
    "FP64": ("FP64",),
}


def can_become(dtype: torch.dtype, datatype: str) -> bool:
    """Whether tensors of a dtype can be sent as a datatype without loss, as far as their values allow."""
    own = NAMES.get(dtype, "")
    if own in _WIDER:
        return datatype in _WIDER[own]
    return bool(own) and datatype in TORCH


def converted(tensor: torch.Tensor, datatype: str, name: str) -> torch.Tensor:
    """Return a tensor to be sent as a datatype. Unsupported where a value of it would be another one there."""
    if not tensor.is_floating_point() and tensor.dtype != torch.bool and tensor.numel():
        low, high = int(tensor.min()), int(tensor.max())
        least, most = _RANGES[datatype] if datatype in _RANGES else (-_EXACT[datatype], _EXACT[datatype])
        if low < least or high > most:
            raise Unsupported(
                f"input {name!r}: {low if low < least else high} does not go into the server's {datatype}",
                hint=f"narrow the values of {name!r} by low= and high= of its TensorSpec",
            )
    return tensor.to(TORCH[datatype])


def check_text(tensor: torch.Tensor, datatype: str, name: str) -> None:
    """Raise Unsupported for what JSON cannot be trusted with: whole numbers that a double has not, and halves."""
    if datatype in HALVES:
        raise Unsupported(
            f"input {name!r} is {datatype}: JSON has no such numbers, and this server lists no binary tensors",
            hint="serve it in FP32, or by a protocol that carries bytes",
        )
    if datatype in ("INT64", "UINT64", "UINT32") and tensor.numel():
        far = max(int(tensor.max()), -int(tensor.min()))
        if far > 2**53:
            raise Unsupported(
                f"input {name!r}: {far} is beyond 2**53, where a server that reads JSON into doubles gets another number",
                hint=f"narrow the values of {name!r} by low= and high= of its TensorSpec",
            )


def to_bytes(tensor: torch.Tensor) -> bytes:
    """Return a tensor's numbers in a row, little end first."""
    flat = tensor.contiguous().flatten()
    if flat.dtype == torch.bfloat16:  # numpy has none
        flat = flat.view(torch.int16)
    data: bytes = flat.numpy().tobytes()
    return data


def from_bytes(data: bytes, datatype: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Return the tensor that was written so. ValueError where the shape says another count."""
    if datatype in ("UINT16", "UINT32", "UINT64"):
        width = int(datatype[4:]) // 8
        numbers = [int.from_bytes(data[i : i + width], "little") for i in range(0, len(data), width)]
        return torch.tensor(numbers, dtype=TORCH[datatype]).reshape(shape)
    if not data:
        return torch.empty(shape, dtype=TORCH[datatype])
    try:
        return torch.frombuffer(bytearray(data), dtype=TORCH[datatype]).reshape(shape)
    except RuntimeError as error:
        raise ValueError(str(error)) from None
