"""What two recordings do not share, operation by operation, as evidence a person can read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from pytest_torchscript.tracing.align import Place, align
from pytest_torchscript.tracing.graph import (
    Argument,
    Attribute,
    Literal,
    Operation,
    Recording,
    Result,
    Several,
    results_in,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Kinds of difference, by what they mean: a scalar or a tensor written into the graph, a constant where the other trace
#: computes, an operation fed by another one, operations that only one trace has, a different number of outputs.
SCALAR, TENSOR, CHOICE, WIRING, STRUCTURE, OUTPUTS = "scalar", "tensor", "choice", "wiring", "structure", "outputs"
#: The evidence of an operation fed by another one.
ANOTHER_RESULT = "takes the result of another operation"


@dataclass(frozen=True)
class Difference:
    """One difference. ``operation`` is None for what the graph returns; ``slot`` tells which argument."""

    kind: str
    operation: Operation | None
    slot: str
    evidence: str
    old: Any = None
    new: Any = None
    added: bool = False

    @property
    def place(self) -> Place | None:
        """Where in the module and the source the operation stands."""
        return (self.operation.scope, self.operation.stack) if self.operation else None

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes it the same difference in another pair of traces."""
        return self.kind, self.place, self.operation and self.operation.kind, self.slot


def find_differences(left: Recording, right: Recording) -> list[Difference]:
    """Compare two recordings; the list is in the order of execution."""
    alignment = align(left, right)
    twins = {a.index: b.index for a, b in alignment.pairs}
    twins[-1] = -1
    loose = {operation.index for operation in alignment.only_left}
    others = {operation.index for operation in alignment.only_right}
    wires = _Wires(twins, loose, others)
    found: list[Difference] = []
    for one, other in alignment.pairs:
        if one.outputs != other.outputs:
            evidence = f"{one.outputs} outputs became {other.outputs}"
            found.append(Difference(OUTPUTS, one, "outputs", evidence, one.outputs, other.outputs))
        found.extend(_compare_all(one, one.arguments, other.arguments, wires))
    found.extend(Difference(STRUCTURE, operation, "", "") for operation in alignment.only_left)
    found.extend(Difference(STRUCTURE, operation, "", "", added=True) for operation in alignment.only_right)
    found.extend(_compare_all(None, left.returned, right.returned, wires))
    return sorted(found, key=lambda difference: difference.operation.index if difference.operation else math.inf)


@dataclass(frozen=True)
class _Wires:
    """Which operation of the left is which of the right, and which have no counterpart on either side."""

    twins: dict[int, int]
    loose_left: set[int]
    loose_right: set[int]

    def follows(self, left: tuple[Argument, ...], right: tuple[Argument, ...]) -> bool:
        """Whether a difference of arguments only follows from an operation without counterpart, reported itself."""
        return any(result.operation in self.loose_left for result in results_in(left)) or any(
            result.operation in self.loose_right for result in results_in(right)
        )

    def agree(self, left: Result, right: Result) -> bool:
        if self.follows((left,), (right,)):
            return True
        return self.twins.get(left.operation) == right.operation and left.output == right.output


def _compare_all(
    operation: Operation | None, left: tuple[Argument, ...], right: tuple[Argument, ...], wires: _Wires, slot: str = ""
) -> Iterator[Difference]:
    if len(left) != len(right) and not wires.follows(left, right):
        evidence = f"a list of {len(left)} became a list of {len(right)}"
        yield Difference(OUTPUTS, operation, f"{slot}.length", evidence, len(left), len(right))
    for number, (a, b) in enumerate(zip(left, right)):
        yield from _compare_arguments(operation, _spread(a), _spread(b), wires, f"{slot}.{number}")


def _spread(argument: Argument) -> Argument:
    """Turn a constant list into a list of constants, as the other trace may have it."""
    if isinstance(argument, Literal) and isinstance(argument.value, (list, tuple)):
        return Several(tuple(Literal(item) for item in argument.value))
    return argument


def _compare_arguments(
    operation: Operation | None, left: Argument, right: Argument, wires: _Wires, slot: str
) -> Iterator[Difference]:
    if isinstance(left, Several) and isinstance(right, Several):
        yield from _compare_all(operation, left.items, right.items, wires, slot)
    elif isinstance(left, Literal) and isinstance(right, Literal):
        yield from _compare_literals(operation, left.value, right.value, slot)
    elif isinstance(left, Result) and isinstance(right, Result):
        if not wires.agree(left, right):
            yield Difference(WIRING, operation, slot, ANOTHER_RESULT)
    elif type(left) is not type(right):
        if not wires.follows((left,), (right,)):
            yield Difference(CHOICE, operation, slot, f"{_describe(left)} became {_describe(right)}")
    elif isinstance(left, Attribute) and left != right:
        yield Difference(WIRING, operation, slot, f"{_describe(left)} became {_describe(right)}")


def _compare_literals(operation: Operation | None, left: Any, right: Any, slot: str) -> Iterator[Difference]:
    if isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor):
        evidence = tensor_evidence(left, right)
        if evidence:
            old, new = (left.item(), right.item()) if _is_scalar(left) and _is_scalar(right) else (left, right)
            what = "values" if left.shape == right.shape else "shape"
            yield Difference(TENSOR, operation, f"{slot}:{what}", evidence, old, new)
    elif type(left) is not type(right) or not _same(left, right):
        yield Difference(SCALAR, operation, slot, f"{show(left)} became {show(right)}", left, right)


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and math.isnan(left):
        return math.isnan(right)
    try:
        return bool(left == right)
    except Exception:  # an object of a scripted class
        return True


def _is_scalar(tensor: torch.Tensor) -> bool:
    return tensor.numel() == 1 and not tensor.is_meta and not tensor.is_complex() and not tensor.is_quantized


def tensor_evidence(left: torch.Tensor, right: torch.Tensor) -> str:
    """Say how one tensor constant differs from another; an empty string where it does not."""
    if left.shape != right.shape:
        return f"constant of shape {tuple(left.shape)} became {tuple(right.shape)}"
    if left.dtype != right.dtype:
        return f"constant of {left.dtype} became {right.dtype}"
    if left.device != right.device:
        return f"constant on {left.device} became one on {right.device}"
    if left.is_meta or left is right or equal_tensors(left, right):
        return ""
    if _is_scalar(left):
        return f"{show(left.item())} became {show(right.item())}"
    return f"the values of a constant of shape {tuple(left.shape)} changed{_first_change(left, right)}"


def equal_tensors(left: torch.Tensor, right: torch.Tensor) -> bool:
    """Whether two tensors of one shape hold the same numbers, NaN equal to NaN; true where that cannot be asked."""
    try:
        same = torch.equal(left, right)
        return same or (left.is_floating_point() and torch.allclose(left, right, 0, 0, equal_nan=True))
    except (RuntimeError, NotImplementedError):  # sparse, nested and quantised tensors know less
        return True


def _first_change(left: torch.Tensor, right: torch.Tensor) -> str:
    changed = (left != right).flatten().nonzero()
    if not len(changed):
        return ""
    place = int(changed[0])
    return f" ({show(left.flatten()[place].item())} became {show(right.flatten()[place].item())})"


def _describe(argument: Argument) -> str:
    if isinstance(argument, Literal):
        return show(argument.value)
    if isinstance(argument, Attribute):
        return f"'{argument.path}'"
    return "a list" if isinstance(argument, Several) else "a computed value"


def show(value: Any) -> str:
    """Write a value as evidence does, at most 60 characters long."""
    if isinstance(value, torch.Tensor):
        return show(value.item()) if _is_scalar(value) else f"a constant of shape {tuple(value.shape)}"
    if isinstance(value, float):
        return repr(value) if value == int_or_none(value) else f"{value:.6g}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def int_or_none(value: Any) -> int | None:
    """Return a number that is a whole number as one, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return int(value) if value == int(value) else None
