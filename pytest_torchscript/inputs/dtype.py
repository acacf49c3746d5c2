"""Floating inputs in the dtype of the model that takes them; whole numbers stay as they are."""

from __future__ import annotations

import torch

from pytest_torchscript.inputs.draw import dtype_of
from pytest_torchscript.spec import InputSpec


def follow(spec: InputSpec, dtype: torch.dtype, *, declared: bool) -> InputSpec:
    """Return inputs of which the real floating ones have a dtype, examples too; only those that declare none, unless
    ``declared``."""

    def floats(name: str) -> bool:
        tensor = spec[name]
        return dtype_of(tensor).is_floating_point and (declared or tensor.dtype is None)

    turned = {name: tensor.updated(dtype=dtype) if floats(name) else tensor for name, tensor in spec.items()}
    made = spec.replaced(turned)
    made.examples = {
        name: value.to(dtype) if name in turned and floats(name) and value.is_floating_point() else value
        for name, value in spec.examples.items()
    }
    return made
