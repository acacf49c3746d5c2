"""What a mode that sees every operation has to know of torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors in the arguments or the results of a call, in their order, at any depth."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, dict):
        yield from tensors_in(tuple(value.values()))
    elif isinstance(value, slice):
        yield from tensors_in((value.start, value.stop, value.step))


def is_written(argument: Any) -> bool:
    """Whether an operation writes to this argument of its schema."""
    return argument.alias_info is not None and bool(argument.alias_info.is_write)


def carry_out(func: Any, args: Any, kwargs: Any) -> Any:
    """Run an operation as it was asked for. torch's executor asks whether two constants are equal, and hands over the numbers
    in them, which the operation does not take."""
    if func is torch.ops.aten.equal.default:
        args = [arg if isinstance(arg, torch.Tensor) else torch.tensor(arg) for arg in args]
    return func(*args, **kwargs)


def memory_of(tensor: torch.Tensor) -> int:
    """Return where a tensor's memory begins, which all that look at it share; -1 of one that has no memory of its own."""
    try:
        storage = getattr(tensor, "untyped_storage", tensor.storage)  # the former came with torch 2.0
        return int(storage().data_ptr())
    except Exception:  # a sparse tensor has several
        return -1
