"""Where a model is and what it computes in: asked of its weights, and changed on request."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import Any

import torch
from torch import nn

from pytest_torchscript.common.copying import copy_module
from pytest_torchscript.errors import ModelError, first_line, machine_failure


def dtype_of(module: nn.Module) -> torch.dtype:
    """Return the floating dtype that most numbers of a module have; float32 where it holds none."""
    numbers: Counter[torch.dtype] = Counter()
    for tensor in chain(module.parameters(), module.buffers()):
        if tensor.is_floating_point():
            numbers[tensor.dtype] += max(tensor.numel(), 1)
    return numbers.most_common(1)[0][0] if numbers else torch.float32


def device_of(module: nn.Module, otherwise: str = "cpu") -> torch.device:
    """Return where a module's first parameter or buffer is; a module that holds none runs where it is said to."""
    return next((tensor.device for tensor in chain(module.parameters(), module.buffers())), torch.device(otherwise))


def dtype_name(dtype: torch.dtype) -> str:
    """Return ``bfloat16`` for ``torch.bfloat16``."""
    return str(dtype).rpartition(".")[2]


def in_dtype(module: Any, dtype: torch.dtype) -> Any:
    """Turn a module's floating parameters and buffers into another dtype, in place, and return it; integers stay."""
    change = {torch.float64: "double", torch.float32: "float", torch.float16: "half", torch.bfloat16: "bfloat16"}
    return getattr(module, change[dtype])()  # Module.to would turn complex buffers into real ones


def outline_of(module: nn.Module) -> nn.Module | None:
    """Return a copy on the meta device, which computes shapes and holds no numbers; None where there can be none.

    The module's own weights stay where they are.
    """
    copied = copy_module(module)
    shared = {id(each) for each in module.modules()} & {id(each) for each in copied.modules()}
    if shared or any(isinstance(each, torch.jit.ScriptModule) for each in copied.modules()):
        return None  # what is moved would be the module's own
    try:
        outline: nn.Module = copied.to("meta")
    except Exception:
        return None
    return outline


def placed(module: nn.Module, name: str, *, device: str | None, dtype: str | None, own: bool) -> nn.Module:
    """Return a module that computes in a dtype on a device; itself where it does already, or where none is asked for.

    A module of the user's own, not ``own``, is copied first. Raises ModelError, for the model called ``name``, where it cannot
    be turned or moved, MachineFailure where the device has no room for it.
    """
    tensors = list(chain(module.parameters(), module.buffers()))
    wanted: torch.dtype | None = getattr(torch, dtype) if dtype is not None else None
    turns = wanted is not None and any(each.is_floating_point() and each.dtype != wanted for each in tensors)
    moves = device is not None and not all(is_at(each.device, torch.device(device)) for each in tensors)
    if not turns and not moves:
        return module
    made: Any = module if own else copy_module(module, share=False)
    step, option = f"turned into {dtype}", f"--torchscript-dtype {dtype}"
    try:
        if turns and wanted is not None:
            made = in_dtype(made, wanted)
        step, option = f"moved to {device}", f"--torchscript-device {device}"
        if moves:
            made = made.to(device)
    except Exception as error:
        failed = machine_failure(error, {})
        if failed is not None:
            raise failed from None
        raise ModelError(f"{name}: it cannot be {step}: {first_line(error)}", hint=f"leave out {option}") from None
    turned: nn.Module = made
    return turned


def is_at(device: torch.device, wanted: torch.device) -> bool:
    """Whether a device is the one meant: ``cuda`` means whichever of them something is on."""
    return device == wanted or (device.type == wanted.type and wanted.index is None)
