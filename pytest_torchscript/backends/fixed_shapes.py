"""What an artifact of fixed shapes may be fed: looked at before each call, so that the answer names the axis.

The runtimes' own texts for a wrong shape are not documented, and some old ones returned garbage instead of raising.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from pytest_torchscript.backends.base import ExportRequest
from pytest_torchscript.errors import InputError

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1


@dataclass(frozen=True)
class ArtifactShapes:
    """Names, shapes, dtypes and axis names of an artifact's inputs, in order.

    ``dynamic_batch`` leaves dimension 0 free, as both Neuron libraries can.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[torch.dtype, ...]
    dims: Mapping[str, Sequence[str | int]] = field(default_factory=dict)
    dynamic_batch: bool = False

    @classmethod
    def of(cls, request: ExportRequest, *, dynamic_batch: bool = False) -> ArtifactShapes:
        """Return the shapes an export of this request runs at."""
        shapes = tuple(tuple(tensor.shape) for tensor in request.example)
        dtypes = tuple(tensor.dtype for tensor in request.example)
        return cls(request.names, shapes, dtypes, request.dims, dynamic_batch)

    def check(self, tensors: Sequence[torch.Tensor]) -> None:
        """Raise InputError for the first tensor that the artifact cannot take: count, dtype, shape, int32 range."""
        if len(tensors) != len(self.names):
            raise InputError(
                f"{len(tensors)} inputs given, the artifact takes {len(self.names)}: {', '.join(self.names)}",
                hint="give every input it was compiled with, in this order",
            )
        for index, tensor in enumerate(tensors):
            self._check_dtype(index, tensor)
            self._check_shape(index, tensor)
            check_int32(self.names[index], tensor)
        self._check_batches(tensors)

    def _check_dtype(self, index: int, tensor: torch.Tensor) -> None:
        if tensor.dtype != self.dtypes[index]:
            raise InputError(
                f"input {self.names[index]!r}: dtype {tensor.dtype}, compiled for {self.dtypes[index]}",
                hint=f"convert it with .to({self.dtypes[index]})",
            )

    def _check_shape(self, index: int, tensor: torch.Tensor) -> None:
        name, shape = self.names[index], self.shapes[index]
        if tensor.dim() != len(shape):
            raise InputError(
                f"input {name!r}: shape {tuple(tensor.shape)}, the artifact was compiled at {shape}",
                hint="give the dimensions it was compiled with",
            )
        for position, (size, compiled) in enumerate(zip(tensor.shape, shape)):
            if size != compiled and not (self.dynamic_batch and position == 0):
                raise self._wrong_size(name, position, (size, compiled))

    def _wrong_size(self, name: str, position: int, sizes: tuple[int, int]) -> InputError:
        axis, (size, compiled) = self.axis_name(name, position), sizes
        relation = "larger than" if size > compiled else "smaller than"
        hint = f"compile a bucket of {size} or more" if size > compiled else f"pad it to {compiled}"
        return InputError(
            f"input {name!r}: axis {axis!r} is {size}, {relation} the {compiled} it was compiled at", hint=hint
        )

    def _check_batches(self, tensors: Sequence[torch.Tensor]) -> None:
        if not self.dynamic_batch:
            return
        batches = {name: tensor.shape[0] for name, tensor in zip(self.names, tensors) if tensor.dim()}
        if len(set(batches.values())) > 1:
            listed = ", ".join(f"{name}={size}" for name, size in batches.items())
            raise InputError(
                f"dynamic batching: dimension 0 differs between inputs: {listed}",
                hint="give all inputs the same number of rows",
            )

    def axis_name(self, name: str, position: int) -> str:
        """Return the axis name of a dim; ``dim 1`` where it has none."""
        dims = self.dims.get(name, ())
        axis = dims[position] if position < len(dims) else None
        return axis if isinstance(axis, str) else f"dim {position}"


def check_int32(name: str, tensor: torch.Tensor) -> None:
    """Raise InputError where an integer input holds a value that int32 cannot: Neuron narrows int64 silently."""
    if tensor.dtype is not torch.int64 or tensor.numel() == 0:
        return
    low, high = int(tensor.min()), int(tensor.max())
    if low < INT32_MIN or high > INT32_MAX:
        value = high if high > INT32_MAX else low
        raise InputError(
            f"input {name!r}: value={value} does not fit in int32, which Neuron narrows int64 inputs to",
            hint="use values within int32, or keep this input outside the exported part",
        )


def choose_bucket(axis: str, size: int, buckets: Sequence[int]) -> int:
    """Return the smallest bucket that holds a size; InputError naming the axis where none does."""
    fitting = [bucket for bucket in buckets if bucket >= size]
    if fitting:
        return min(fitting)
    sizes = ",".join(map(str, [*sorted(buckets), size]))
    raise InputError(
        f"axis {axis!r} is {size}, larger than the largest bucket {max(buckets)}",
        hint=f"add a bucket (--torchscript-axis {axis}={sizes}) or shorten the input",
    )
