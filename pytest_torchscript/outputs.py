"""Walk the nested outputs of a model: every tensor with its path, in one order for eager, wrapper and artifact.

A leaf: knows containers by their protocol (dict-like ModelOutputs, tuples, lists, dataclasses, cache objects) and
imports torch only inside functions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def tensor_leaves(output: Any) -> list[tuple[str, torch.Tensor]]:
    """Return ``(path, tensor)`` for every tensor and number of a nested output, depth first.

    Paths read as Python would: ``['logits']``, ``[0]``, ``['past_key_values'].layers[0].keys``. A bare tensor has the path
    ``output``. None, strings and empty containers are no leaves; numbers become 0-d tensors, because a trace can only
    return tensors.
    """
    import torch

    leaves = []
    for path, leaf in walk(output):
        if isinstance(leaf, torch.Tensor):
            leaves.append((path or "output", leaf))
        elif isinstance(leaf, (bool, int, float, complex)):
            leaves.append((path or "output", torch.as_tensor(leaf)))
        elif _is_symbol(leaf):
            leaves.append((path or "output", _of_symbol(leaf)))
    return leaves


def walk(output: Any) -> Iterator[tuple[str, Any]]:
    """Yield ``(path, leaf)`` for whatever a nested output holds, None and strings too; the path of a bare leaf is empty."""
    yield from _walk(output, "", set())


def _walk(value: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    steps = children(value)
    if steps is None:
        yield path, value
        return
    if id(value) in seen:  # a cache object may point back at its owner
        return
    seen.add(id(value))
    for step, child in steps:
        yield from _walk(child, path + step, seen)
    seen.discard(id(value))


def children(value: Any) -> list[tuple[str, Any]] | None:
    """Return the steps into a container with what lies there, or None for a leaf."""
    import torch

    if value is None or isinstance(value, (torch.Tensor, str, bytes, bool, int, float, complex)) or _is_symbol(value):
        return None
    if isinstance(value, Mapping):
        return [(f"[{key!r}]", child) for key, child in value.items()]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return [(f".{name}", child) for name, child in zip(value._fields, value)]
    if isinstance(value, (tuple, list)):
        return [(f"[{index}]", child) for index, child in enumerate(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(f".{item.name}", getattr(value, item.name)) for item in dataclasses.fields(value)]
    return _object_children(value)


def _is_symbol(value: Any) -> bool:
    """Whether a number is one that torch.export keeps open, such as a size that moves."""
    return type(value).__name__ in ("SymInt", "SymFloat", "SymBool") and type(value).__module__.split(".")[0] == "torch"


def _of_symbol(value: Any) -> torch.Tensor:
    """Return an open number as a tensor of the dtype that eager's has. What is true or false is settled by that."""
    import torch

    if type(value).__name__ == "SymBool":
        return torch.as_tensor(bool(value))
    whole = type(value).__name__ == "SymInt"
    return torch.scalar_tensor(value, dtype=torch.int64 if whole else torch.get_default_dtype())


def _object_children(value: Any) -> list[tuple[str, Any]] | None:
    """Return the public attributes of an object that hold tensors: how transformers' caches carry keys and values.

    What a cache notes about itself is no output: private attributes, containers of plain flags and counts, and the counts
    that are tensors under a tracer alone (how many tokens a sliding window has seen).
    """
    import torch

    if not hasattr(value, "__dict__") or (callable(value) and not _is_cache(value)):
        return None
    # In some releases a cache is a torch module: callable, and its parts are registered.
    attributes = {**vars(value), **vars(value).get("_modules", {})}
    holders = (torch.Tensor, list, tuple, dict)
    of_cache = _is_cache(value) or {"keys", "values"} <= attributes.keys()
    return [
        (f".{name}", child)
        for name, child in attributes.items()
        if not name.startswith("_")
        and not _is_notes(child)
        and not (of_cache and isinstance(child, torch.Tensor) and child.dim() == 0)
        and (isinstance(child, holders) or (hasattr(child, "__dict__") and _is_cache(child)))
    ]


def _is_notes(value: Any) -> bool:
    """Whether a container holds flags and counts alone: ``EncoderDecoderCache.is_updated``."""
    if not isinstance(value, (dict, list, tuple)):
        return False
    members = list(value.values()) if isinstance(value, dict) else list(value)
    return bool(members) and all(isinstance(member, (bool, int, float, str)) for member in members)


def _is_cache(value: Any) -> bool:
    return "cache" in type(value).__name__.lower()
