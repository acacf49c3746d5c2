"""Copies of a module that share its weights: what a forward pass keeps on a copy never reaches the module itself.

Anything a module may hold is borne with: weights computed by hooks, scripted modules, generators, and what no copier of
Python's takes (locks, open files, sessions), which copies share.
"""

from __future__ import annotations

import copy
import types
from collections import ChainMap, OrderedDict
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from pytest_torchscript.common.silence import quiet

#: Never copied, and never asked whether they can be.
_ATOMS = (bool, int, float, complex, str, bytes, type(None), type, types.FunctionType, types.ModuleType, torch.dtype)
#: The same, where the exact class is asked for first: most of what a module holds is one of these, or an empty dict.
_PLAIN = frozenset(_ATOMS)
_DICTS = (dict, OrderedDict)
_EMPTY = frozenset((*_DICTS, set))


#: What modules may be found in.
_HOLDERS = (nn.Module, dict, list, tuple, set, frozenset)
#: With one of these a class says how it is copied.
_WAYS_TO_COPY = frozenset(
    f"__{name}__"
    for name in (
        *("new", "deepcopy", "reduce", "reduce_ex", "slots"),
        *("getstate", "setstate", "getnewargs", "getnewargs_ex"),
    )
)


def copy_module(module: Any, *, share: bool = True) -> Any:
    """Return a copy of a module. With ``share`` it has the same parameters, so that it costs no weights, and so that a forward
    that reaches the original by another way (a closure, a weak reference) still finds weights that are its own.

    Never raises: what cannot be copied is the same object in the copy. A scripted module that cannot be copied is returned
    itself.
    """
    parts = list(every_module(module))
    with quiet():  # torch and Python deprecate ways of copying that modules still use
        memo = _prepared(parts, share)
        copied = dict(memo)
        try:
            made = _copied(module, copied)
        except Exception:
            made, copied = _copied_in_pieces(module, parts, memo), memo
        made_here = {id(value) for value in copied.values()}
        for part in parts:
            if isinstance(copied.get(id(part)), nn.Module) and not isinstance(part, torch.jit.ScriptModule):
                _rebind(vars(copied[id(part)]), copied, made_here)
        return made


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    """Return what `copy.deepcopy` returns. Modules and their dicts, which are most of a model, are copied without it: that
    takes half its time."""
    kind: Any = type(value)
    if kind in _PLAIN or isinstance(value, _ATOMS):
        return value
    if id(value) in memo:
        return memo[id(value)]
    if kind in _DICTS:
        made = memo[id(value)] = kind()
        for key, item in value.items():
            copied = item if type(item) in _PLAIN else _copied(item, memo)
            made[key if isinstance(key, _ATOMS) else copy.deepcopy(key, memo)] = copied
        return made
    if isinstance(value, nn.Module) and _is_only_its_attributes(kind):
        made = memo[id(value)] = object.__new__(kind)
        held = vars(made)
        for name, item in vars(value).items():
            if type(item) in _PLAIN:
                held[name] = item
            elif type(item) in _EMPTY and not item and id(item) not in memo:  # hooks that there are none of
                held[name] = memo[id(item)] = type(item)()
            else:
                held[name] = _copied(item, memo)
        return made
    return copy.deepcopy(value, memo)


@lru_cache(maxsize=1 << 12)
def _is_only_its_attributes(kind: type) -> bool:
    """Whether a class of modules is copied by copying the attributes of an object, and has no way of its own."""
    own = (vars(base) for base in kind.__mro__ if base not in (object, nn.Module))
    return not any(_WAYS_TO_COPY & names.keys() for names in own)


def _rebind(held: dict[Any, Any], copied: dict[int, Any], made_here: set[int]) -> None:
    """Let the functions that a copy holds, hooks and a forward put on it among them, reach the copy where they reached the
    original: a copier takes a function for an atom, and what it closes over for no part of it.

    Only in dicts that were ``made_here``, each once: others are the original's own.
    """
    for name, value in list(held.items()):
        if type(value) is types.FunctionType:
            held[name] = _rebound(value, copied)
        elif type(value) not in _PLAIN and isinstance(value, dict) and value and id(value) in made_here:
            made_here.discard(id(value))
            _rebind(value, copied, made_here)


def _rebound(function: types.FunctionType, copied: dict[int, Any]) -> types.FunctionType:
    """Return a function that has copies in place of what it closes over or takes by default; itself where it has none."""

    def moved(value: Any) -> Any:
        if isinstance(value, types.MethodType) and id(value.__self__) in copied:
            return types.MethodType(value.__func__, copied[id(value.__self__)])
        return copied.get(id(value), value)

    cells = function.__closure__ or ()
    held = [cell.cell_contents if _filled(cell) else None for cell in cells]
    named = function.__kwdefaults__ or {}
    taken = [*held, *(function.__defaults__ or ()), *named.values()]
    if all(moved(value) is value for value in taken):
        return function
    closure = tuple(cell if moved(value) is value else types.CellType(moved(value)) for cell, value in zip(cells, held))
    defaults = tuple(map(moved, function.__defaults__ or ())) or None
    made = types.FunctionType(function.__code__, function.__globals__, function.__name__, defaults, closure)
    made.__kwdefaults__ = {name: moved(value) for name, value in named.items()} or None
    made.__qualname__, made.__module__, made.__doc__ = function.__qualname__, function.__module__, function.__doc__
    vars(made).update(vars(function))
    return made


def _filled(cell: types.CellType) -> bool:
    """Whether a name that a function closes over has a value yet."""
    try:
        cell.cell_contents  # noqa: B018 - reading is the question
    except ValueError:
        return False
    return True


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
    held = [value for value in values if type(value) not in _PLAIN and isinstance(value, _HOLDERS)]
    return [value for value in held if isinstance(value, nn.Module) or value][::-1]


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
    elif depth and isinstance(value, (dict, list, tuple)) and value:
        for item in value.values() if isinstance(value, dict) else value:
            if type(item) not in _PLAIN and (type(item) not in _EMPTY or item):
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
