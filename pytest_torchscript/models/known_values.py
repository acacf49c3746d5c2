"""Values in a model that holds none: what follows from its whole-number inputs and from the model's own constants is computed
beside it, on the CPU, so that code which reads one (``mask.all()``, ``lengths.max().item()``) finds what a real model would.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from pytest_torchscript.common.dispatch import carry_out, is_written, tensors_in
from pytest_torchscript.common.frames import is_model_file, is_own

#: Numbers in a tensor whose values are followed; what is larger is read by no code.
LARGEST = 1 << 22
#: Operators whose answer does not follow from what they take.
_NO_VALUE = ("empty", "rand", "normal", "bernoulli", "multinomial", "uniform", "exponential", "dropout")
_CPU = torch.device("cpu")


class _Value(NamedTuple):
    """What a tensor would hold, and whether that is sure: shared by all tensors that share its memory."""

    tensor: torch.Tensor
    sure: list[bool]


class KnownValues(TorchDispatchMode):
    """Follows the ``known`` values of some tensors through operations; ``told`` hears of every line of the model that reads.

    What depends on a weight, or on an input that is not known, has no value: who reads that is refused by torch, as without
    this. Values live on the tensors themselves and go with them.
    """

    def __init__(self, known: Iterable[tuple[torch.Tensor, torch.Tensor]], told: Callable[[str], object]) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self.told = told
        for tensor, value in known:
            if value.numel() <= LARGEST:
                _know(tensor, _Value(value, [True]))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation without values and, where all that it takes has some, with values too."""
        kwargs = kwargs or {}
        tensors = list(tensors_in((args, kwargs)))
        made_on = kwargs.get("device")
        on_meta = made_on is not None and torch.device(made_on).type == "meta"
        if not on_meta and not any(tensor.is_meta for tensor in tensors):
            return carry_out(func, args, kwargs)
        values = [_value_of(tensor) for tensor in tensors]
        if tensors and not any(values):
            return func(*args, **kwargs)  # most of a model: what depends on its weights alone
        name, arguments = func._schema.name, func._schema.arguments
        followed = None not in values and not any(word in name for word in _NO_VALUE)
        written = [value for argument, value in zip(arguments, map(_value_of, args)) if is_written(argument) and value]
        if not followed:
            for value in written:
                value.sure[0] = False  # of it, and of all that looks at the same memory
            return func(*args, **kwargs)

        def valued(leaf: Any) -> Any:
            return _value_of(leaf).tensor if isinstance(leaf, torch.Tensor) else leaf

        def answer() -> Any:
            with torch.no_grad():
                named = {**tree_map(valued, kwargs), **({"device": _CPU} if on_meta else {})}
                return func(*tree_map(valued, args), **named)

        try:
            made = func(*args, **kwargs)
        except (RuntimeError, NotImplementedError):  # it asks for a value, or its shape depends on some
            found = answer()
            line = _reading_line()
            if line:
                self.told(line)
            return found if made_on is not None and not on_meta else tree_map(_without_values, found)
        leaves = tree_flatten(made)[0]
        if any(isinstance(leaf, torch.Tensor) and leaf.numel() > LARGEST for leaf in leaves):
            return made
        shared = [
            value.sure for argument, value in zip(arguments, map(_value_of, args)) if argument.alias_info and value
        ]
        for leaf, value in zip(leaves, tree_flatten(answer())[0]):
            if isinstance(leaf, torch.Tensor) and leaf.is_meta:
                _know(leaf, _Value(value, shared[0] if shared else [True]))
        return made


def _know(tensor: torch.Tensor, value: _Value) -> None:
    tensor._torchscript_value = value  # type: ignore[attr-defined]


def _value_of(tensor: Any) -> Any:
    """Return the `_Value` of a tensor: of one that holds values itself; None where there is none."""
    if not isinstance(tensor, torch.Tensor):
        return None
    if not tensor.is_meta:
        return _Value(tensor, [True])
    value = getattr(tensor, "_torchscript_value", None)
    return value if value is not None and value.sure[0] else None


def _without_values(leaf: Any) -> Any:
    """Return a tensor as the model may have it: on meta, and its value known."""
    if not isinstance(leaf, torch.Tensor):
        return leaf
    tensor = torch.empty_strided(leaf.shape, leaf.stride(), dtype=leaf.dtype, device="meta")
    _know(tensor, _Value(leaf, [True]))
    return tensor


def _reading_line() -> str:
    """Return the line of the model's code that is running: ``modeling.py:12``; empty where an export runs."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    while frame is not None and not is_own(frame.f_code.co_filename):
        if is_model_file(frame.f_code.co_filename):
            return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
        frame = frame.f_back
    return ""
