"""Pair the tensors of two nested outputs: which leaf of the artifact answers for which leaf of eager.

An artifact often returns a flat tuple, because a trace can hold no more: that is compared by order. Where it kept a
structure of its own, names, nesting and None must match eager's. Tuples and lists are the same, and an empty container
or a None at the end is nothing (a module that was saved and loaded may return one more ``[]``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from pytest_torchscript.outputs import children, tensor_leaves


@dataclass(frozen=True)
class Pair:
    """One leaf on both sides. ``path`` is where eager has it."""

    path: str
    actual: torch.Tensor
    expected: torch.Tensor


@dataclass(frozen=True)
class Difference:
    """One place where the structures differ, in words."""

    path: str
    actual: str
    expected: str


@dataclass
class Paired:
    """The leaves that have a partner, and the places where none could be found."""

    pairs: list[Pair] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)


def pair_leaves(actual: Any, expected: Any) -> Paired:
    """Pair the leaves of two outputs, in eager's order and with eager's paths."""
    paired = Paired()
    if _is_flat(actual):
        _pair_in_order(actual, expected, "", paired)
    else:
        _pair(actual, expected, "", paired)
    return paired


def _is_flat(output: Any) -> bool:
    if not isinstance(output, (tuple, list)):
        return False
    return all(isinstance(item, (torch.Tensor, bool, int, float, complex)) or _is_empty(item) for item in output)


def _is_empty(value: Any) -> bool:
    return isinstance(value, (tuple, list, dict)) and not value


def _pair(actual: Any, expected: Any, path: str, paired: Paired) -> None:
    if not tensor_leaves(actual) or not tensor_leaves(expected) or _is_leaf(actual) or _is_leaf(expected):
        _pair_in_order(actual, expected, path, paired)
    elif isinstance(actual, Mapping) and isinstance(expected, Mapping):
        _pair_mappings(actual, expected, path, paired)
    elif isinstance(actual, (tuple, list)) and isinstance(expected, (tuple, list)):
        _pair_sequences(actual, expected, path, paired)
    else:  # an object or a ModelOutput answered by a tuple: only the order is left
        _pair_in_order(actual, expected, path, paired)


def _is_leaf(value: Any) -> bool:
    return children(value) is None


def _pair_mappings(actual: Mapping[Any, Any], expected: Mapping[Any, Any], path: str, paired: Paired) -> None:
    left = {str(key): value for key, value in actual.items() if tensor_leaves(value)}
    right = {str(key): (key, value) for key, value in expected.items() if tensor_leaves(value)}
    for name, (key, value) in right.items():
        step = f"{path}[{key!r}]"
        if name in left:
            _pair(left[name], value, step, paired)
        else:
            paired.differences.append(Difference(step, "nothing", _describe(value)))
    for name in left.keys() - right.keys():
        paired.differences.append(Difference(f"{path}[{name!r}]", _describe(left[name]), "nothing"))


def _pair_sequences(actual: Sequence[Any], expected: Sequence[Any], path: str, paired: Paired) -> None:
    left, right = _significant(actual), _significant(expected)
    steps = [step for step, value in children(expected) or [] if not _is_empty(value)]
    if len(left) != len(right):
        paired.differences.append(Difference(path or "output", f"{len(left)} items", f"{len(right)} items"))
        return
    for step, one, other in zip(steps, left, right):
        _pair(one, other, path + step, paired)


def _significant(sequence: Sequence[Any]) -> list[Any]:
    items = [item for item in sequence if not _is_empty(item)]
    while items and not tensor_leaves(items[-1]):
        items.pop()
    return items


def _pair_in_order(actual: Any, expected: Any, path: str, paired: Paired) -> None:
    left, right = tensor_leaves(actual), tensor_leaves(expected)
    if len(left) != len(right):
        paired.differences.append(Difference(path or "output", _describe(actual), _describe(expected)))
        return
    for (_, one), (below, other) in zip(left, right):
        step = "" if path and below == "output" else below
        paired.pairs.append(Pair(path + step, one, other))


def _describe(value: Any) -> str:
    count = len(tensor_leaves(value))
    if not count:
        return "nothing"
    return "1 tensor" if count == 1 else f"{count} tensors"
