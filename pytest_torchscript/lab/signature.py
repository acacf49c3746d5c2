"""The signature of an export: which dim of which output moves with which axis."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from pytest_torchscript.lab.subject import Subject
from pytest_torchscript.outputs import tensor_leaves
from pytest_torchscript.results import Signature
from pytest_torchscript.spec import dim_name


def signature_of(subject: Subject, *, moving: Iterable[str] | None = None) -> Signature:
    """Ask eager: move one axis at a time and see which output dims move. A dim that follows the size carries its name.

    ``moving`` names the axes to move; by default those that are not declared fixed.
    """
    inputs = {name: [dim_name(dim) for dim in spec.dims] for name, spec in subject.spec.items()}
    base = _shapes(subject.answer)
    outputs: dict[str, list[str | int]] = {path: list(shape) for path, shape in base.items()}
    for axis in subject.spec.moving if moving is None else moving:
        moved = _moved_shapes(subject, axis)
        for path, dims in outputs.items():
            _name_dims(dims, base[path], moved.get(path, ()), axis)
    return Signature(inputs, {_plain(path): dims for path, dims in outputs.items()})


def _moved_shapes(subject: Subject, name: str) -> dict[str, tuple[int, ...]]:
    """Return the shapes with one axis moved far, so that strided dims move too; empty where eager takes one size only."""
    axis, size = subject.spec.axes[name], subject.sizes[name]
    half = -(-size // 2 // axis.multiple_of) * axis.multiple_of
    for other in (half, 2 * size, axis.neighbour(size)):
        # A declared size is the user's wish, not a limit of eager's: a shorter one may still be asked for.
        if other in (0, size) or not (axis.allows(other) or (axis.sizes and other < size)):
            continue
        try:
            return _shapes(subject.eager(subject.moved({**subject.sizes, name: other})))  # as the axis will ask
        except Exception:  # refused: perhaps not the next one
            continue
    return {}


def _name_dims(dims: list[str | int], before: tuple[int, ...], after: tuple[int, ...], axis: str) -> None:
    if len(before) != len(after):
        return
    for index, (old, new) in enumerate(zip(before, after)):
        if old != new:
            dims[index] = axis if isinstance(dims[index], int) else f"{dims[index]} + {axis}"


def _shapes(answer: Any) -> dict[str, tuple[int, ...]]:
    leaves: list[tuple[str, torch.Tensor]] = tensor_leaves(answer)
    return {path: tuple(leaf.shape) for path, leaf in leaves}


def _plain(path: str) -> str:
    """Write ``['logits']`` as ``logits``: the name the guides give an output."""
    if path.startswith("['") and path.endswith("']") and path.count("[") == 1:
        return path[2:-2]
    return path
