"""Copies of a module that share its weights: what a forward pass keeps on a copy never reaches the module itself.

Anything a module may hold is borne with: weights computed by hooks, scripted modules, generators, and what no copier of
Python's takes (locks, open files, sessions), which copies share.
"""

from __future__ import annotations

import copy
import types
from collections import ChainMap
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from pytest_torchscript.common.silence import quiet

#: Never copied, and never asked whether they can be.
_ATOMS = (bool, int, float, complex, str, bytes, type(None), type, types.FunctionType, types.ModuleType, torch.dtype)


def copy_module(module: Any, *, share: bool = True) -> Any:
    """Return a copy of a module. With ``share`` it has the same parameters, so that it costs no weights, and so that a forward
    that reaches the original by another way (a closure, a weak reference) still finds weights that are its own.

    Never raises: what cannot be copied is the same object in the copy. A scripted module that cannot be copied is returned
    itself.
    """
    parts = list(every_module(module))
    with quiet():  # torch and Python deprecate ways of copying that modules still use
        memo = _prepared(parts, share)
        try:
            return copy.deepcopy(module, dict(memo))
        except Exception:
            return _copied_in_pieces(module, parts, memo)


def every_module(root: Any) -> Iterator[Any]:
    """Yield a module, its submodules, and modules that it holds elsewhere, in a list for instance to keep them apart."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, torch.jit.ScriptModule):
            yield value  # its parts are seen through it
        elif isinstance(value, nn.Module):
            yield value
            waiting.extend(_held(vars(value).values()))
        else:
            waiting.extend(_held(value.values() if isinstance(value, dict) else value))


def _held(values: Any) -> list[Any]:
    return [value for value in values if isinstance(value, (nn.Module, dict, list, tuple, set, frozenset))][::-1]


def _prepared(parts: list[Any], share: bool) -> dict[int, Any]:
    """Return the copies that deepcopy cannot make, or would make at the cost of the weights, by the ids of originals."""
    memo: dict[int, Any] = {}
    for part in parts:
        if isinstance(part, torch.jit.ScriptModule):
            memo[id(part)] = _copied_script(part, share)
            continue
        for value in _tensors(vars(part)):
            if not value.is_leaf:
                # Computed from parameters, as the weight of a hook's weight norm: refuses to be copied.
                memo[id(value)] = value.detach().clone()
            elif share and isinstance(value, nn.Parameter) and not is_lazy(value):
                memo[id(value)] = value
    return memo


def _tensors(value: Any, depth: int = 3) -> Iterator[torch.Tensor]:
    """Yield the tensors in the attributes of a module and in their containers."""
    if isinstance(value, torch.Tensor):
        yield value
    elif depth and isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item, depth - 1)


def _copied_script(module: Any, share: bool) -> Any:
    """Copy a scripted module: it heeds no memo, so that its copy is told afterwards which weights it has."""
    try:
        made = copy.deepcopy(module)
    except Exception:  # it may hold an object of a C++ class that cannot be written down
        return module
    if share:
        for theirs, own in zip(module.parameters(), made.parameters()):
            own.data = theirs.data
    return made


def _copied_in_pieces(root: Any, parts: list[Any], memo: dict[int, Any]) -> Any:
    """Copy attribute by attribute, and share those that refuse."""
    fresh = [part for part in parts if id(part) not in memo]
    memo.update((id(part), object.__new__(type(part))) for part in fresh)
    for part in fresh:
        vars(memo[id(part)]).update({name: _piece(value, memo) for name, value in vars(part).items()})
    return memo[id(root)]


def _piece(value: Any, memo: dict[int, Any]) -> Any:
    if isinstance(value, _ATOMS):
        return value
    if id(value) in memo:
        return memo[id(value)]
    tried: ChainMap[int, Any] = ChainMap({}, memo)  # a copy that fails half way leaves halves behind
    try:
        made = copy.deepcopy(value, tried)  # type: ignore[arg-type]
        memo.update(tried.maps[0])
    except Exception:
        made = _by_hand(value, memo)
    memo[id(value)] = made
    return made


def _by_hand(value: Any, memo: dict[int, Any]) -> Any:
    """Copy a container or an object whose parts do not all copy; what is neither is shared."""
    if isinstance(value, torch.Tensor):
        return value if value.is_leaf else value.detach().clone()
    if isinstance(value, torch.Generator):  # copies itself since torch 2
        return torch.Generator(value.device).set_state(value.get_state())
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(_piece(item, memo) for item in value)
    if isinstance(value, dict):
        made = memo[id(value)] = copy.copy(value)
        for key, item in value.items():
            made[key] = _piece(item, memo)
        return made
    try:
        made = object.__new__(type(value))
    except TypeError:  # a class that is not written in Python
        return value
    if not _is_plain(value):
        return value
    memo[id(value)] = made  # it may hold itself
    vars(made).update({name: _piece(item, memo) for name, item in vars(value).items()})
    return made


def _is_plain(value: Any) -> bool:
    """Whether an object is its attributes and nothing else. One that closes what it holds when it goes is not: a copy of
    it would close that of the original."""
    slots = any(vars(base).get("__slots__") for base in type(value).__mro__)
    return hasattr(value, "__dict__") and not slots and not hasattr(type(value), "__del__")
