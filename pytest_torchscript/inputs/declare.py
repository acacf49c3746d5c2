"""Inputs that a user declares: by TensorSpecs, or by example tensors whose axes eager is asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Union

import torch

from pytest_torchscript.errors import InputError
from pytest_torchscript.inputs.draw import MASK, PIXEL_MASK, dtype_of, is_float
from pytest_torchscript.inputs.propose import Accepts, find_axes
from pytest_torchscript.spec import Axis, Dim, InputSpec, TensorSpec

Declared = Mapping[str, Union[TensorSpec, torch.Tensor]]

#: Inputs whose name says what they hold: the role is filled in where the declaration gives none.
_IDS = ("input_ids", "decoder_input_ids")
#: Masks by the names that mean 1 = real and 0 = padded. A `padding_mask` means the opposite as often as not.
_MASKS = ("attention_mask", "decoder_attention_mask", "encoder_attention_mask", "input_mask", "mask")
_PIXEL_MASKS = ("pixel_mask", "pixel_attention_mask", "mask")


def declare_inputs(inputs: Declared) -> InputSpec:
    """Return the inputs declared by TensorSpecs; masks and ids named as in transformers get their role.

    Raises InputError for anything else: example tensors take `propose_axes`, which needs a model to ask.
    """
    if isinstance(inputs, InputSpec):
        return inputs
    if not isinstance(inputs, Mapping) or not inputs:
        raise InputError(
            f"inputs: expected a mapping of names to TensorSpecs, got {inputs!r}",
            hint="write inputs={'x': TensorSpec('batch', 'time', 16)}",
        )
    return InputSpec({name: _with_role(name, spec) for name, spec in inputs.items()})


def _with_role(name: str, spec: TensorSpec | torch.Tensor) -> TensorSpec:
    if isinstance(spec, torch.Tensor):
        raise InputError(
            f"input {name!r}: an example tensor of shape {tuple(spec.shape)} does not tell which of its dims may move",
            hint=f"declare it: {{{name!r}: {describe_tensor(spec_of(name, spec))}}}, naming the dims that move",
        )
    if not isinstance(spec, TensorSpec) or spec.role or spec.fill is not None:
        return spec  # a wrong type is refused by InputSpec, which names the input
    role = role_of(name, spec)
    # A mask without a dtype is made in integers; one declared without it has been declared in float32.
    return spec.updated(role=role, dtype=dtype_of(spec)) if role else spec


def role_of(name: str, spec: TensorSpec) -> str:
    """Return what an input holds, by its name, its dims and the range of its values; empty where they do not tell."""
    if name in _IDS:
        return "" if is_float(spec) else "ids"
    binary = dtype_of(spec) == torch.bool or (spec.low or 0, spec.high or 1) in ((0, 1), (0, 2))
    pictures = len(spec.dims) > 2 and isinstance(spec.dims[-2], (str, Axis)) and spec.dims[-2] != spec.dims[-1]
    if name in _PIXEL_MASKS and pictures:
        return PIXEL_MASK if binary else ""
    return MASK if name in (*_MASKS, *_PIXEL_MASKS) and binary and len(spec.dims) > 1 else ""


def spec_of(name: str, example: torch.Tensor, dims: Sequence[Dim] | None = None) -> TensorSpec:
    """Return the spec of an example: its dtype and the range of its values, for floats only where none is negative."""
    shape = tuple(example.shape) if dims is None else tuple(dims)
    if example.dtype == torch.bool or example.dtype.is_complex or not example.numel():
        return TensorSpec(*shape, dtype=example.dtype)
    low, high = example.min().item(), example.max().item()
    if not example.dtype.is_floating_point:
        least, past = min(0, int(low)), max(int(high) + 1, 2)
        found = TensorSpec(*shape, dtype=example.dtype, low=least, high=past)
        return found.updated(role=role_of(name, found))
    dtype = None if example.dtype == torch.float32 else example.dtype
    if 0 <= low < high:
        return TensorSpec(*shape, dtype=dtype, low=low, high=high)
    return TensorSpec(*shape, dtype=dtype)


def propose_axes(accepts: Accepts, examples: Mapping[str, torch.Tensor]) -> InputSpec:
    """Return the axes that example tensors may have, found by asking which sizes are accepted.

    Each dim is moved alone, then together with dims of its size in other inputs; those that only move together are one
    axis. The range is what was accepted, looked for between 1 and a default largest size in a few calls.
    Raises InputError where the examples themselves are refused, or are no tensors.
    """
    for name, example in examples.items():
        if not isinstance(example, torch.Tensor):
            raise InputError(
                f"input {name!r}: {type(example).__name__} is not a tensor",
                hint="give every input as an example tensor, or every input as a TensorSpec",
            )
    found = find_axes(accepts, examples)
    described: set[str] = set()
    inputs = {}
    for name, example in examples.items():
        dims: list[Dim] = []
        for index, size in enumerate(example.shape):
            axis = found.get((name, index))
            dims.append(size if axis is None else axis.name if axis.name in described else axis)
            described |= {axis.name} if axis is not None else set()
        inputs[name] = spec_of(name, example, dims)
    return InputSpec(inputs)


def describe(spec: InputSpec) -> str:
    """Return a declaration as Python code that a user can paste."""
    shown: set[str] = set()
    lines = []
    for name, tensor in spec.items():
        lines.append(f"    {name!r}: {describe_tensor(tensor, axes=spec.axes, shown=shown)},")
    return "\n".join(["{", *lines, "}"]).replace("'", '"')


def describe_tensor(
    tensor: TensorSpec, *, axes: Mapping[str, Axis] | None = None, shown: set[str] | None = None
) -> str:
    """Return one TensorSpec as code; an axis in `axes` is written out where it is not yet among the `shown`."""
    parts = [_describe_dim(dim, axes or {}, set() if shown is None else shown) for dim in tensor.dims]
    if tensor.dtype is not None:
        parts.append(f"dtype={tensor.dtype}")
    defaults = {"low": None, "high": None, "optional": False, "role": "", "pad": 0, "special": ()}
    for field, default in defaults.items():
        value = getattr(tensor, field)
        if value != default:
            parts.append(f"{field}={value!r}")
    if tensor.fill is not None:
        parts.append(f"fill={getattr(tensor.fill, '__name__', 'fill')}")
    return f"TensorSpec({', '.join(parts)})"


def _describe_dim(dim: Dim, axes: Mapping[str, Axis], shown: set[str]) -> str:
    name = dim.name if isinstance(dim, Axis) else dim
    axis = dim if isinstance(dim, Axis) else axes.get(str(dim).strip())
    if isinstance(name, int) or axis is None or name in shown:
        return repr(name)
    shown.add(axis.name)
    defaults = {"min": 1, "max": None, "multiple_of": 1, "sizes": (), "typical": None}
    told = [f"{field}={getattr(axis, field)!r}" for field, value in defaults.items() if getattr(axis, field) != value]
    return f"Axis({', '.join([repr(axis.name), *told])})"
