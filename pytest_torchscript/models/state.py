"""What a module holds at one moment, so that two moments can be compared: what did a call leave behind?

A look is cheap beside a forward pass: tensors are told by their place in memory and their version, not by their numbers. An
attribute that was replaced by an equal one has not changed.
"""

from __future__ import annotations

import itertools
import operator
import random
import types
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn

#: Longer containers (a vocabulary) are told by their length and their ends.
_LONG = 256
_DEPTH = 6
_PLAIN = frozenset((bool, int, float, complex, str, bytes, type(None)))
_WHOLE = (
    *(nn.Module, type, torch.dtype),
    *(types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType),
)


#: What parts may be found in.
_HOLDERS = (nn.Module, dict, list, tuple)
_REGISTRIES = ("_parameters", "_buffers", "_modules")
#: What every module has for torch's own use: hooks do their work and keep nothing.
_MACHINERY = frozenset(vars(nn.Module())) - {"training"}


class Place(NamedTuple):
    """Where a module keeps something: the dotted path of the part that holds it (empty: the module itself), and the name of
    the attribute, parameter, buffer or submodule."""

    path: str
    name: str

    def __str__(self) -> str:
        return f"{self.path}.{self.name}" if self.path else self.name


State = dict[Place, Any]


def look_at(module: nn.Module, *, contents: bool = False, weights: bool = False) -> State:
    """Return what every part of a module holds. With ``contents`` also the numbers in its tensors, which an operation on
    ``.data`` or on a numpy array changes behind torch's back; those in parameters, which are many, with ``weights`` too."""
    seen: set[int] = set()
    if weights == contents:  # at every call: whether each is a parameter need not be asked
        return {place: _mark(value, contents, seen) for place, value in attributes(module)}
    return {
        place: _mark(value, weights if isinstance(value, nn.Parameter) else contents, seen)
        for place, value in attributes(module)
    }


class Glance:
    """Tells whether a module may hold something else than when this was made, in a quarter of the time that two looks take: all
    that it holds must be the same objects still, and what can change within must not have."""

    def __init__(self, module: nn.Module) -> None:
        parts = parts_of(module).values()
        self._scripted = any(isinstance(part, torch.jit.ScriptModule) for part in parts)
        dicts = [] if self._scripted else [held for part in parts for held in (vars(part), *_registries(part))]
        self._held = [(held, list(held), list(held.values())) for held in dicts]
        found = [(name, value) for held in dicts for name, value in held.items() if type(value) not in _PLAIN]
        self._changing = [value for name, value in found if name not in _MACHINERY and not isinstance(value, _WHOLE)]
        self._marks = self._look()

    def _look(self) -> list[Any]:
        seen: set[int] = set()
        return [_mark(value, False, seen) for value in self._changing]

    def same(self) -> bool:
        """Whether it is certain that nothing has changed: then a look would find all as it was."""
        return (
            not self._scripted
            and all(
                list(held) == names and all(map(operator.is_, held.values(), values))
                for held, names, values in self._held
            )
            and all(map(_alike, self._marks, self._look()))
        )


def _registries(part: nn.Module) -> list[dict[str, Any]]:
    return [vars(part)[registry] for registry in _REGISTRIES]


def changes(before: State, after: State) -> list[Place]:
    """Return what is no longer as it was, in the order of the module's parts: other values, not other objects."""
    if before.keys() == after.keys():
        return [place for place, old in before.items() if not _alike(old, after[place])]
    places = dict.fromkeys([*before, *after])
    return [place for place in places if not _alike(before.get(place, _ABSENT), after.get(place, _ABSENT))]


def look_at_one(part: nn.Module, name: str, *, contents: bool = False) -> Any:
    """Return what `look_at` says of one attribute of one part."""
    for held in (vars(part), *_registries(part)):
        if name in held:
            return _mark(held[name], contents, set())
    return _ABSENT


def attributes(root: nn.Module) -> Iterator[tuple[Place, Any]]:
    """Yield every attribute of every part of a module; torch's own aside."""
    for path, part in parts_of(root).items():
        if isinstance(part, torch.jit.ScriptModule):
            named = [*part.named_parameters(), *part.named_buffers()]
            yield from ((Place(path, name), tensor) for name, tensor in named)
            continue
        for name, value in vars(part).items():
            if name not in _MACHINERY:
                yield Place(path, name), value
            elif value and name in _REGISTRIES:
                for key, item in value.items():
                    yield Place(path, key), item


def parts_of(root: nn.Module) -> dict[str, nn.Module]:
    """Return a module and all that it holds by their paths, those in its lists and dicts too (``encoder.kept[0]``)."""
    found: dict[str, nn.Module] = {}
    known: set[int] = set()
    waiting: list[tuple[str, Any]] = [("", root)]
    while waiting:
        path, value = waiting.pop()
        if id(value) in known:
            continue
        known.add(id(value))
        if isinstance(value, nn.Module):
            found[path] = value
            inner = [] if isinstance(value, torch.jit.ScriptModule) else _inside(value, f"{path}." if path else "")
        elif isinstance(value, dict):
            inner = [(f"{path}[{key!r}]", item) for key, item in value.items()]
        else:
            inner = [(f"{path}[{number}]", item) for number, item in enumerate(value)]
        waiting += [(name, item) for name, item in inner if isinstance(item, _HOLDERS)][::-1]
    return found


def _inside(module: nn.Module, prefix: str) -> list[tuple[str, Any]]:
    held = [(name, value) for name, value in vars(module).items() if name not in _MACHINERY]
    return [(prefix + name, value) for name, value in (*module._modules.items(), *held) if isinstance(value, _HOLDERS)]


def put_back(module: nn.Module, place: Place, source: nn.Module) -> None:
    """Give one attribute of a module the value it has in another of the same class; takes it away where that has none."""
    part, other = parts_of(module)[place.path], parts_of(source)[place.path]
    for kept, right in [(vars(part), vars(other)), *((vars(part)[name], vars(other)[name]) for name in _REGISTRIES)]:
        kept.pop(place.name, None)
        if place.name in right:
            kept[place.name] = right[place.name]


@dataclass(frozen=True, eq=False)
class _Seen:
    """A tensor at a moment. It is held, so that nothing else can come to stand at its place."""

    tensor: torch.Tensor
    version: int
    where: tuple[Any, ...]
    numbers: int | None

    def alike(self, other: _Seen) -> bool:
        if self.where == other.where:
            return (self.version, self.numbers) == (other.version, other.numbers)
        if self.tensor is other.tensor:  # it was given other ``data``
            return False
        # The older one still holds what it held then, unless it was written to since.
        return _version(self.tensor) == self.version and _equal(self.tensor, other.tensor)


class _Absent:
    """What is not there."""


_ABSENT = _Absent()


def _alike(old: Any, new: Any) -> bool:
    if old is new:
        return True
    if isinstance(old, _Seen) and isinstance(new, _Seen):
        return old.alike(new)
    if isinstance(old, tuple) and isinstance(new, tuple):
        return len(old) == len(new) and all(_alike(a, b) for a, b in zip(old, new))
    return type(old) is type(new) and bool(old == new)


def _mark(value: Any, contents: bool, seen: set[int], depth: int = _DEPTH) -> Any:
    """Return what a value is at this moment, in a form that later changes of it leave alone."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, torch.Tensor):
        return _seen(value, contents)
    if isinstance(value, _WHOLE) or depth == 0 or id(value) in seen:
        return _Same(value)
    random_state = _random_state(value)
    if random_state is not None:
        return random_state
    seen.add(id(value))
    if isinstance(value, dict):
        inner = [item for pair in _ends(list(value.items())) for item in pair]
    elif isinstance(value, (list, tuple, deque)):
        inner = _ends(list(value))
    elif isinstance(value, (set, frozenset)):
        return "set", len(value), hash(frozenset(item for item in value if type(item) in _PLAIN))
    elif hasattr(value, "tobytes") and hasattr(value, "shape"):
        return "array", tuple(value.shape), hash(value.tobytes())
    elif getattr(value, "__dict__", None):
        held = list(vars(value).items())
        return _Same(type(value)), *(_mark(item, contents, seen, depth - 1) for pair in _ends(held) for item in pair)
    else:
        return _Same(value)
    return len(value), *(_mark(item, contents, seen, depth - 1) for item in inner)


def _random_state(value: Any) -> Any:
    """Return where a generator of random numbers, or a counter, stands; None for anything else."""
    if isinstance(value, torch.Generator):
        return "generator", value.get_state().numpy().tobytes()
    if isinstance(value, random.Random):
        return "generator", value.getstate()
    if isinstance(value, itertools.count):
        return "counter", repr(value)
    if hasattr(value, "bit_generator"):  # numpy's
        return "generator", repr(value.bit_generator.state)
    return None


@dataclass(frozen=True)
class _Same:
    """An object that is told by being the same one; it is held, so that its number is given to no other."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def _ends(items: list[Any]) -> list[Any]:
    return items if len(items) <= _LONG else [*items[: _LONG // 2], *items[-_LONG // 2 :]]


def _seen(tensor: torch.Tensor, contents: bool) -> _Seen:
    try:
        address = tensor.data_ptr()
        strides: Any = tensor.stride()
    except (RuntimeError, NotImplementedError):  # sparse tensors, and classes that only wrap others
        address, strides = 0, ()
    where = (address or id(tensor), tuple(tensor.shape), strides, tensor.dtype, tensor.device)
    return _Seen(tensor, _version(tensor), where, _numbers(tensor) if contents else None)


def _version(tensor: torch.Tensor) -> int:
    try:
        return int(tensor._version)
    except RuntimeError:  # made in inference mode
        return -1


def _numbers(tensor: torch.Tensor) -> int | None:
    """Return a number that other contents have otherwise; None where they cannot be read."""
    try:
        plain = tensor.detach().int_repr() if tensor.is_quantized else tensor.detach()
        return hash(plain.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    except (RuntimeError, NotImplementedError, TypeError):
        return None


def _equal(left: torch.Tensor, right: torch.Tensor) -> bool:
    if left.shape != right.shape or left.dtype != right.dtype or left.device != right.device or left.is_meta:
        return False
    try:
        same = torch.equal(left, right)
        return same or (left.is_floating_point() and torch.allclose(left, right, 0, 0, equal_nan=True))
    except (RuntimeError, NotImplementedError):
        return False
