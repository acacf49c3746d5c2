"""What a model computes in: asked of its weights, and changed on request."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import Any

import torch
from torch import nn

from pytest_torchscript.common.copying import copy_module
from pytest_torchscript.errors import ModelError, first_line


def dtype_of(module: nn.Module) -> torch.dtype:
    """Return the floating dtype that most numbers of a module have; float32 where it holds none."""
    numbers: Counter[torch.dtype] = Counter()
    for tensor in chain(module.parameters(), module.buffers()):
        if tensor.is_floating_point():
            numbers[tensor.dtype] += max(tensor.numel(), 1)
    return numbers.most_common(1)[0][0] if numbers else torch.float32


def device_of(module: nn.Module) -> torch.device:
    """Return where a module's first parameter or buffer is; the CPU where it holds none."""
    return next((tensor.device for tensor in chain(module.parameters(), module.buffers())), torch.device("cpu"))


def dtype_name(dtype: torch.dtype) -> str:
    """Return ``bfloat16`` for ``torch.bfloat16``."""
    return str(dtype).rpartition(".")[2]


def in_dtype(module: Any, dtype: torch.dtype) -> Any:
    """Turn a module's floating parameters and buffers into another dtype, in place, and return it; integers stay."""
    change = {torch.float64: "double", torch.float32: "float", torch.float16: "half", torch.bfloat16: "bfloat16"}
    return getattr(module, change[dtype])()  # Module.to would turn complex buffers into real ones


def placed(module: nn.Module, name: str, dtype: str | None, *, own: bool) -> nn.Module:
    """Return a module that computes in a dtype; itself where it does already, or where none is asked for.

    A module of the user's own, not ``own``, is copied first. Raises ModelError, for the model called ``name``, where it cannot
    be turned.
    """
    wanted: torch.dtype | None = getattr(torch, dtype) if dtype is not None else None
    floating = (each for each in chain(module.parameters(), module.buffers()) if each.is_floating_point())
    if wanted is None or all(tensor.dtype == wanted for tensor in floating):
        return module
    try:
        turned: nn.Module = in_dtype(module if own else copy_module(module, share=False), wanted)
    except Exception as error:
        raise ModelError(
            f"{name}: it cannot be turned into {dtype}: {first_line(error)}", hint="leave out --torchscript-dtype"
        ) from None
    return turned
