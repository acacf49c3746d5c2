"""Listen to a model while it runs, eager or under the tracer: every call of torch that makes or changes a tensor, in the
form in which graphs are compared, and the changes that torch does not count.

A size counts as the number that it is, and arithmetic on sizes is left out: only the tracer's run has it.
"""

from __future__ import annotations

import sys
import weakref
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from pytest_torchscript.common import jit
from pytest_torchscript.common.copying import copy_module
from pytest_torchscript.common.dispatch import memory_of, tensors_in
from pytest_torchscript.common.seeding import seeded
from pytest_torchscript.outputs import tensor_leaves
from pytest_torchscript.tracing.differences import show
from pytest_torchscript.tracing.frames import Stack, live_stack, model_stack
from pytest_torchscript.tracing.graph import Argument, Attribute, Literal, Operation, Recording, Result, Several
from pytest_torchscript.tracing.source_code import assigned_names, first_write
from pytest_torchscript.tracing.trace import warned_lines
from pytest_torchscript.tracing.watch import caller_of, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

#: Above this many elements only as many are looked at, evenly spread: a swap or a rescaling shows in any of them.
_SAMPLE = 1 << 20


@dataclass
class _Known:
    """A tensor seen in a run: which operation made it, and what it held when it was last seen."""

    tensor: weakref.ref[torch.Tensor]
    result: Argument
    version: int = -1
    content: Any = None
    handed_out: Stack = ()


class _Size(NamedTuple):
    """A tensor that stands for a number, and the changes in place that it follows from."""

    tensor: torch.Tensor
    changes: set[int]


class Change(NamedTuple):
    """A size that was changed in place under the tracer, and where."""

    stack: Stack
    before: Any
    after: Any

    def told(self) -> str:
        """Say what changed, and why under other names too."""
        return (
            f"{show(self.before)} became {show(self.after)} in place, under every name that holds it: "
            "under the tracer a size is a tensor"
        )


@dataclass
class Heard:
    """What a run called of torch, in order, and what it returned; lines that changed a tensor uncounted; sizes that were
    changed in place, and which of these changes each operation, and Python itself, went by."""

    recording: Recording = field(default_factory=lambda: Recording([], ()))
    unrecorded: list[tuple[Stack, str]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    used: list[frozenset[int]] = field(default_factory=list)  # by each operation: the changes its sizes follow from
    read: set[int] = field(default_factory=set)  # those that Python decided by
    raised: bool = False


class _Inside(nn.Module):
    """A module that is listened to while it runs, and no longer."""

    def __init__(self, module: nn.Module, listener: _Listener) -> None:
        super().__init__()
        self.module = module
        self.listener = listener

    def forward(self, *tensors: torch.Tensor) -> Any:
        self.listener.floor = sys._getframe()
        with self.listener:
            output = self.module(*tensors)
        self.listener.end(output)
        return output


def listen(module: nn.Module, example: tuple[torch.Tensor, ...], *, traced: bool = False) -> Heard:
    """Run a copy of `module` once on clones of `example`, under the tracer or not, from a fixed seed. What the model raises
    ends the run, and what was heard until then is kept. Changes that torch does not count are looked for in eager alone.
    """
    copy = copy_module(module)
    listener = _Listener(copy, follow=not traced)
    inside = _Inside(copy, listener)
    with torch.no_grad(), seeded(0), warned_lines():
        try:
            if traced:
                jit.trace(inside, example)
            else:
                inside(*(tensor.clone() for tensor in example))
        except Exception:  # what the model raises under the tracer is the evidence up to there
            listener.heard.raised = True
    return listener.heard


_SIZES = frozenset(("shape", "size", "numel", "__len__"))
#: Ways to the memory of a tensor that lead out of torch's sight.
_HANDED_OUT = frozenset(
    ("numpy", "__array__", "storage", "untyped_storage", "_typed_storage", "data_ptr", "__dlpack__")
)
_REFLECTED = {
    **{f"r{name}": name for name in ("add", "sub", "mul", "pow", "matmul", "mod", "and", "or", "xor")},
    **dict.fromkeys(("truediv", "rtruediv", "rdiv"), "div"),
    **dict.fromkeys(("floordiv", "rfloordiv"), "floor_divide"),
}
_ARITHMETIC = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift", "rshift")
_IN_PLACE = frozenset(("__setitem__", *(f"__i{name}__" for name in _ARITHMETIC)))
#: What is asked when both sides change places: Python asks a tensor about a number the other way round.
_MIRRORED = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le", "eq": "eq", "ne": "ne", "add": "add", "mul": "mul"}


class _Listener(TorchFunctionMode):  # type: ignore[misc, unused-ignore]
    """Writes down every call of torch that makes or changes a tensor. Arithmetic on sizes is left out, for only the
    tracer's run has it: a size counts as the number that it is."""

    def __init__(self, module: nn.Module, *, follow: bool) -> None:
        super().__init__()
        self.heard = Heard()
        self.floor: FrameType | None = None
        self.follow = follow  # whether to look for changes that torch does not count
        self.known: dict[int, _Known] = {}
        self.numbers: dict[int, _Size] = {}
        self.touched: set[int] = set()  # changes that the arguments of the call under way follow from
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            self.know(tensor, Attribute(name))

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name, named = name_of(func), kwargs or {}
        tensors = list(tensors_in((args, named)))
        sizes = [self.numbers[id(tensor)] for tensor in tensors if id(tensor) in self.numbers]
        arithmetic = len(sizes) == len(tensors)
        if arithmetic and tensors and _in_place(name):
            return self.change_size(func, args, named)
        stack = model_stack(live_stack(caller_of(sys._getframe(1)), self.floor))
        operation = self.write(name, stack, args, named)
        for tensor in tensors if self.follow else ():
            self.look(tensor, stack)
        sets_data = name == "data" and getattr(func, "__name__", "") == "__set__"
        try:
            result = func(*args, **named)
        except Exception:
            self.keep(operation)  # the call that raised tells what it was given
            raise
        made = list(tensors_in(result))
        if name in _SIZES or (made and arithmetic and all(tensor.dim() == 0 for tensor in made)):
            changes = set().union(*(size.changes for size in sizes))
            self.numbers.update((id(tensor), _Size(tensor, changes)) for tensor in made)
        elif not made and result is not None:
            self.heard.read |= set().union(*(size.changes for size in sizes))
        else:
            self.keep(operation)
            operation.outputs = len(made)
            for number, tensor in enumerate(made):
                self.know(tensor, Result(operation.index, number))
        if self.follow:
            self.after(name, stack, tensors, swapped=sets_data)
        return result

    def change_size(self, func: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Carry out an in-place change of a size, and write down where."""
        before = _number(args[0])
        result = func(*args, **named)
        stack = model_stack(live_stack(caller_of(sys._getframe(2)), self.floor))
        if _number(args[0]) != before:
            self.numbers[id(args[0])].changes.add(len(self.heard.changes))
            self.heard.changes.append(Change(stack, before, _number(args[0])))
        return result

    def write(self, name: str, stack: Stack, args: tuple[Any, ...], named: dict[str, Any]) -> Operation:
        self.touched = set()
        kind = name.strip("_")
        written = [self.argument(value) for value in args]
        if kind in _REFLECTED:
            swapped = kind.startswith("r") and len(written) == 2
            kind, written = _REFLECTED[kind], written[::-1] if swapped else written
        if kind in _MIRRORED and len(written) == 2 and isinstance(written[0], Literal):
            kind, written = _MIRRORED[kind], written[::-1]
        written += [Several((Literal(key), self.argument(value))) for key, value in sorted(named.items())]
        return Operation(-1, kind, "", stack, tuple(written), 0, live=True)

    def keep(self, operation: Operation) -> None:
        operation.index = len(self.heard.recording.operations)
        self.heard.recording.operations.append(operation)
        self.heard.used.append(frozenset(self.touched))

    def argument(self, value: Any) -> Argument:
        """Return an argument as graphs are compared: a number, which operation made it, or several of these."""
        if isinstance(value, torch.Tensor):
            if id(value) in self.numbers:
                self.touched |= self.numbers[id(value)].changes
                return Literal(_number(value))
            known = self.known.get(id(value))
            return known.result if known is not None and known.tensor() is value else Result(-1, -1)
        if isinstance(value, slice):
            return Several(tuple(self.argument(part) for part in (value.start, value.stop, value.step)))
        if isinstance(value, (list, tuple)):
            return Several(tuple(self.argument(item) for item in value))
        if value is None or isinstance(value, (bool, int, float, str, torch.dtype, torch.device)):
            return Literal(value)
        with suppress(Exception):  # a number of numpy's
            return Literal(value.item())
        return Literal(type(value).__name__)

    def know(self, tensor: torch.Tensor, result: Argument) -> None:
        """Remember a tensor; one that is known is now the result of another operation."""
        content = _content(tensor) if self.follow else None
        self.known[id(tensor)] = _Known(weakref.ref(tensor), result, tensor._version, content)

    def look(self, tensor: torch.Tensor, stack: Stack) -> None:
        """See whether a tensor changed since it was last seen, uncounted."""
        known = self.known.get(id(tensor))
        if known is None or known.tensor() is not tensor:
            return
        content = _content(tensor)
        if content != known.content and tensor._version == known.version:
            evidence = "a tensor was changed before it came here, by what no trace records"
            if known.handed_out:
                stack, evidence = known.handed_out, "its memory is written here outside torch, which no trace records"
                line = first_write(stack[0], assigned_names(stack[0]))
                stack = stack if line is None else (stack[0]._replace(line=line), *stack[1:])
            self.heard.unrecorded.append((stack, evidence))
        known.version, known.content = tensor._version, content

    def after(self, name: str, stack: Stack, tensors: Sequence[torch.Tensor], *, swapped: bool) -> None:
        """See what a call changed, and whether torch counted it."""
        known = self.known.get(id(tensors[0])) if tensors else None
        if known is None or known.tensor() is not tensors[0]:
            return
        if name in _HANDED_OUT:
            known.handed_out = stack
        if swapped:
            content = _content(tensors[0])
            if content != known.content:
                self.heard.unrecorded.append((stack, "the data of a tensor is swapped here, which no trace records"))
            known.version, known.content = tensors[0]._version, content
        elif _in_place(name):
            evidence = "a tensor is changed here by way of its .data, which no trace records"
            for other in self.known.values():
                tensor = other.tensor()
                if tensor is None or memory_of(tensor) != memory_of(tensors[0]):
                    continue
                content = _content(tensor)
                if content != other.content and tensor._version == other.version:
                    self.heard.unrecorded.append((stack, evidence))
                other.version, other.content = tensor._version, content

    def end(self, output: Any) -> None:
        """Look once more at what comes out."""
        leaves = [leaf for _, leaf in tensor_leaves(output)]
        self.heard.recording.returned = tuple(self.argument(leaf) for leaf in leaves)
        for leaf in leaves if self.follow else ():
            self.look(leaf, ())


def _in_place(name: str) -> bool:
    return name in _IN_PLACE or (name.endswith("_") and not name.endswith("__"))


def _number(tensor: Any) -> Any:
    """Return a size as the number it is."""
    return tensor.tolist() if isinstance(tensor, torch.Tensor) else tensor


def _content(tensor: torch.Tensor) -> Any:
    """Return what a tensor holds in a form that compares; None where that cannot be had."""
    try:
        flat = tensor.detach().reshape(-1)
        step = -(-flat.numel() // _SAMPLE) or 1
        return tuple(tensor.shape), hash(flat[::step].contiguous().cpu().view(torch.uint8).numpy().tobytes())
    except Exception:  # a tensor without memory of its own: sparse, meta, quantised
        return None
