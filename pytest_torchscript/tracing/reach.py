"""What of its inputs a model lets Python see: sizes, or what tensors hold. What Python never sees no branch can hang on.

A trace under watch shows every read. Behind each stands a value of the graph, and behind that the sizes of dims, weights and
constants, or the numbers in the inputs themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import torch

from pytest_torchscript.common.dispatch import tensors_in
from pytest_torchscript.tracing.graph import nodes_of

if TYPE_CHECKING:
    from pytest_torchscript.tracing.trace import Trace

#: What these tell does not follow from sizes or values; a shape is made of values of the graph, each read for itself.
_HARMLESS = frozenset(
    [
        "dim",
        "ndim",
        "ndimension",
        "is_leaf",
        "is_floating_point",
        "is_complex",
        "is_signed",
        "is_cuda",
        "is_cpu",
        "is_meta",
        "is_sparse",
        "is_quantized",
        "is_nested",
        "is_mkldnn",
        "is_mps",
        "is_xla",
        "requires_grad",
        "retains_grad",
        "element_size",
        "itemsize",
        "type",
        "get_device",
        "output_nr",
        "is_inference",
        "__class__",
        "dtype",
        "device",
        "layout",
        "grad_fn",
        "names",
        "result_type",
        "can_cast",
        "promote_types",
    ]
)
_SHAPES = frozenset(("shape", "size"))
#: A number from here on is no size.
_LARGEST = 1 << 20
#: These tell of the sizes of a tensor, not of what it holds.
_OF_SHAPE = frozenset(
    ["__len__", "numel", "nelement", "stride", "storage_offset", "is_contiguous", "is_same_size", "is_set_to"]
)
#: As many results as the size of a dim makes.
_IN_PIECES = frozenset(
    [
        "split",
        "chunk",
        "unbind",
        "tensor_split",
        "hsplit",
        "vsplit",
        "dsplit",
        "unsafe_split",
        "unsafe_chunk",
        "__iter__",
    ]
)
#: Past these the tracer sees nothing.
_UNSEEN = frozenset(
    ["data", "set_", "storage", "untyped_storage", "data_ptr", "apply_", "map_", "__dlpack__", "share_memory_"]
)
_SIZES = frozenset(("aten::size", "aten::sym_size"))
#: Where a truth value is made of a size by these alone, it changes beside numbers that stand in the graph, or their sums.
_SUMS = frozenset(f"aten::{name}" for name in ["add", "sub", "rsub"])
_COMPARISONS = frozenset(
    f"aten::{name}" for name in ["eq", "ne", "lt", "le", "gt", "ge", "remainder", "Int", "ScalarImplicit", "Bool"]
)
_COMPARED = frozenset((*_SUMS, *_COMPARISONS, *_SIZES, "prim::NumToTensor", "prim::Constant"))


@dataclass
class Reach:
    """The sizes, as they are in the example, that Python saw; ``values``: it saw what tensors hold, or may have.

    ``taken`` are sizes that it has as numbers, or that something it has follows from. Of others it knows how they compare:
    ``compared`` has the numbers they are compared with, and ``together`` those that are compared with one another, or divided
    by a number, so that what is asked is answered otherwise at every few sizes.
    ``weights`` tells which inputs of the graph, from this one on, are weights.
    """

    taken: set[int] = field(default_factory=set)
    compared: defaultdict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    together: set[int] = field(default_factory=set)
    values: bool = False
    weights: int = field(default=_LARGEST, compare=False)

    def add(self, name: str, args: Any, result: Any) -> None:
        """Take in one call of a torch function under the tracer: what it answered tells Python something, or it does not."""
        try:
            self._take_in(name, args, result)
        except Exception:  # a tensor that the tracer does not know: what stands behind it is not known either
            self.values = True

    def _take_in(self, name: str, args: Any, result: Any) -> None:
        self.values |= name in _UNSEEN
        if self.values or name in _HARMLESS or not _tells(name, result):
            return
        tensors = list(tensors_in(args))
        if name in _SHAPES:  # numbers where the tracer has none
            self.taken.update(item for item in _items(result) if isinstance(item, int))
        elif name in _OF_SHAPE:
            self.taken.update(size for tensor in tensors for size in map(int, tensor.size()))
        elif name in _IN_PIECES:
            self.taken.update(_divided(tensors[0], result) if tensors else ())
        else:
            for tensor in tensors:
                self._follow(tensor, decides=isinstance(result, bool))

    def _follow(self, tensor: torch.Tensor, *, decides: bool) -> None:
        """Go back from a tensor to the sizes and inputs that it is computed from; ``decides``: as a truth value."""
        if torch._C._get_tracing_state() is None:  # nothing is known, and torch would end the process
            self.values = True
            return
        waiting = [torch._C._get_value_trace(tensor)]  # type: ignore[attr-defined]
        known: set[int] = set()
        sizes: set[int] = set()
        numbers: set[int] = set()
        sums = divides = False
        while waiting and not self.values:
            value = waiting.pop()
            if value.unique() in known:
                continue
            known.add(value.unique())
            node = value.node()
            kind = node.kind()
            decides = decides and kind in _COMPARED
            if kind in _SIZES:
                size = _size_of(node)
                self.values |= size is None  # not known, so it may be anything
                sizes.update(() if size is None else (size,))
            elif kind == "prim::Constant":
                numbers.update(_numbers(node.output().toIValue()))
            elif kind == "prim::Param":
                self.values |= value.offset() < self.weights
            elif kind != "prim::GetAttr":
                waiting.extend(node.inputs())
            sums |= kind in _SUMS
            divides |= kind == "aten::remainder"
        if sums:
            numbers |= {number for one in numbers for two in numbers for number in (one + two, one - two)}
        for size in sizes if decides else ():
            self.compared[size].update(numbers, sizes - {size})
        self.together.update(sizes if len(sizes) > 1 or divides else ())
        self.taken.update(() if decides else sizes)


def _size_of(node: Any) -> int | None:
    tensor, dim = node.inputs()
    sizes, place = tensor.type().sizes(), dim.toIValue()
    return None if sizes is None or place is None else int(sizes[place])


def _numbers(value: Any) -> Iterator[int]:
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, (int, float)) and abs(value) < _LARGEST:
        yield int(value)


def sizes_moved(left: Trace, moved: Trace) -> set[tuple[int, int]] | None:
    """Return the sizes in one trace that are others in another of the same operations, with what they became; None where the
    operations are not the same."""
    found: set[tuple[int, int]] = set()
    pairs = zip_longest(_outputs(left.graph), _outputs(moved.graph))
    for one, other in pairs:
        if one is None or other is None or one[0] != other[0] or len(one[1]) != len(other[1]):
            return None
        found.update((size, new) for size, new in zip(one[1], other[1]) if size != new)
    return found


def _outputs(graph: Any) -> Iterator[tuple[str, list[int]]]:
    """Yield what makes each tensor of a graph, and its sizes."""
    made = (("", value) for value in graph.inputs())
    for kind, value in (*made, *((node.kind(), value) for node, _ in nodes_of(graph) for value in node.outputs())):
        if value.type().kind() == "TensorType":
            yield kind, value.type().sizes() or []


def _tells(name: str, result: Any) -> bool:
    """Whether a result is more than tensors: something that Python can decide by."""
    if result is None or isinstance(result, (torch.Tensor, torch.dtype, torch.device, torch.layout)):
        return False
    if isinstance(result, (tuple, list)) and all(isinstance(item, torch.Tensor) for item in result):
        return name in _IN_PIECES
    return True


def _items(result: Any) -> tuple[Any, ...]:
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def _divided(tensor: torch.Tensor, pieces: Any) -> set[int]:
    """Return the sizes of the dims along which a tensor was taken apart; all of them where that does not show."""
    whole, first = tuple(map(int, tensor.size())), next(iter(pieces), tensor)
    part = tuple(map(int, first.size()))
    along = {size for size, left in zip(whole, part) if size != left} if len(whole) == len(part) else set()
    return along or set(whole)
