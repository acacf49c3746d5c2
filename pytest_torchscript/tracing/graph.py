"""Read a traced graph as a list of operations whose arguments show what is a constant and what is computed.

Constants, attributes and lists are folded into the operation that takes them, and the tracer's conversions between
numbers and tensors are looked through: what is left compares well between two traces.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Union

from pytest_torchscript.tracing.frames import Stack, parse_range

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Literal(NamedTuple):
    """A constant of the graph: a number, a string, None, a tensor, a list."""

    value: Any


class Attribute(NamedTuple):
    """A parameter or buffer of the module, by its path."""

    path: str


class Result(NamedTuple):
    """An output of an operation; ``operation`` -1 is the graph's own inputs."""

    operation: int
    output: int


class Several(NamedTuple):
    """A list or tuple made in the graph."""

    items: tuple[Any, ...]


Argument = Union[Literal, Attribute, Result, Several]


@dataclass
class Operation:
    """One operation: what it is, where it stands in the module and in the source, and what it takes."""

    index: int
    kind: str
    scope: str
    stack: Stack
    arguments: tuple[Argument, ...]
    outputs: int
    live: bool = False


@dataclass
class Recording:
    """The operations of a trace in order, and what it returns."""

    operations: list[Operation]
    returned: tuple[Argument, ...]


_CONVERSIONS = ("Int", "Float", "Bool", "ScalarImplicit", "IntImplicit", "FloatImplicit")
_LOOKED_THROUGH = frozenset(("prim::NumToTensor", *(f"aten::{name}" for name in _CONVERSIONS)))
_LISTS = frozenset(("prim::ListConstruct", "prim::TupleConstruct"))
_UNPACKS = frozenset(("prim::ListUnpack", "prim::TupleUnpack"))
_BRANCHING = frozenset(("prim::If", "prim::Loop"))
_EFFECTS = frozenset(("prim::Print", "prim::RaiseException", "prim::SetAttr", "aten::append", "aten::_set_item"))


def read_graph(graph: Any, weights: Iterable[str] = ()) -> Recording:
    """Read an inlined graph. Its inputs are the module, if it has one, and the example; else the example, and weights of these
    paths."""
    reader = _Reader()
    inputs, paths = list(graph.inputs()), list(weights)
    if first_is_module(graph):
        reader.values[inputs.pop(0).unique()] = Attribute("")
        paths = []
    given = len(inputs) - len(paths)
    for number, value in enumerate(inputs):
        reader.values[value.unique()] = Result(-1, number) if number < given else Attribute(paths[number - given])
    for node, inner in nodes_of(graph):
        reader.read(node, inner)
    returned = tuple(reader.argument(value) for value in graph.outputs())
    _mark_live(reader.operations, returned)
    _lend_stacks(reader.operations)
    return Recording(reader.operations, returned)


def first_is_module(graph: Any) -> bool:
    """Whether a graph takes the module before its inputs: its weights are attributes of that, else they are inputs."""
    return next((value.type().kind() == "ClassType" for value in graph.inputs()), False)


@dataclass
class _Reader:
    operations: list[Operation] = field(default_factory=list)
    values: dict[int, Argument] = field(default_factory=dict)
    stacks: dict[str, Stack] = field(default_factory=dict)

    def read(self, node: Any, inner: bool) -> None:
        """Add a node: an operation, or what its outputs stand for."""
        kind = node.kind()
        outputs = list(node.outputs())
        folded = self.fold(node, kind, len(outputs))
        if folded is None:
            folded = self.add(node, kind, len(outputs), inner)
        for value, argument in zip(outputs, folded):
            self.values[value.unique()] = argument

    def add(self, node: Any, kind: str, outputs: int, inner: bool) -> list[Argument]:
        # What stands in a scripted function is live: whether its branch is taken is not known here.
        arguments = tuple(self.argument(value) for value in node.inputs())
        operation = Operation(len(self.operations), kind, node.scopeName(), self.stack(node), arguments, outputs, inner)
        if kind in _UNPACKS and not operation.stack:
            operation.stack, operation.scope = _origin(arguments, self.operations)
        self.operations.append(operation)
        return [Result(operation.index, number) for number in range(outputs)]

    def fold(self, node: Any, kind: str, outputs: int) -> list[Argument] | None:
        """Return what a node's outputs stand for, or None for a node that is an operation."""
        if kind == "prim::Constant":
            return [Literal(node.output().toIValue())]
        if kind == "prim::GetAttr":
            owner = self.argument(node.input())
            path = owner.path if isinstance(owner, Attribute) else "?"
            return [Attribute(f"{path}.{node.s('name')}".lstrip("."))]
        if kind in _LISTS:
            return [Several(tuple(self.argument(value) for value in node.inputs()))]
        if kind in _LOOKED_THROUGH and node.inputsSize() == 1:
            return [self.argument(node.input())]
        if kind in _UNPACKS:
            taken = self.argument(node.input())
            if isinstance(taken, Several) and len(taken.items) == outputs:
                return list(taken.items)
        return None

    def argument(self, value: Any) -> Argument:
        # A value that no node made is the input of an inner block (a scripted loop's counter).
        return self.values.get(value.unique(), Result(-1, -1))

    def stack(self, node: Any) -> Stack:
        text = node.sourceRange()
        if text not in self.stacks:
            self.stacks[text] = parse_range(text)
        return self.stacks[text]


def nodes_of(block: Any, inner: bool = False) -> Iterator[tuple[Any, bool]]:
    """Yield the nodes of a graph, and whether each stands in a block of another."""
    for node in block.nodes():
        yield node, inner
        if node.kind() in _BRANCHING:
            for part in node.blocks():
                yield from nodes_of(part, True)


def _origin(arguments: Iterable[Argument], operations: list[Operation]) -> tuple[Stack, str]:
    for argument in arguments:
        if isinstance(argument, Result) and argument.operation >= 0:
            return operations[argument.operation].stack, operations[argument.operation].scope
    return (), ""


def attributes_in(recording: Recording) -> list[str]:
    """Return the paths of what live operations and the answer take from the module, each once."""
    used = [recording.returned, *(operation.arguments for operation in recording.operations if operation.live)]
    paths: dict[str, None] = {}
    for arguments in used:
        for argument in arguments:
            items = argument.items if isinstance(argument, Several) else (argument,)
            paths.update(dict.fromkeys(item.path for item in items if isinstance(item, Attribute) and item.path))
    return list(paths)


def results_in(arguments: Iterable[Argument]) -> Iterator[Result]:
    """Yield the computed values among arguments, those in lists too."""
    for argument in arguments:
        if isinstance(argument, Several):
            yield from results_in(argument.items)
        elif isinstance(argument, Result):
            yield argument


def _has_effect(kind: str) -> bool:
    in_place = kind.endswith("_") and not kind.endswith("__")
    return in_place or kind in _EFFECTS or kind in _BRANCHING or kind.startswith("aten::__i")


def _mark_live(operations: list[Operation], returned: tuple[Argument, ...]) -> None:
    """Mark what the answer depends on: a size that is read and dropped freezes nothing."""
    wanted = {result.operation for result in results_in(returned)}
    for operation in reversed(operations):
        if operation.live or operation.index in wanted or _has_effect(operation.kind):
            operation.live = True
            wanted.update(result.operation for result in results_in(operation.arguments))


def _lend_stacks(operations: list[Operation]) -> None:
    """Give an operation that torch recorded without a stack that of the operation that first uses it."""
    lenders: dict[int, Operation] = {}
    for operation in reversed(operations):
        if not operation.stack and operation.index in lenders:
            lender = lenders[operation.index]
            operation.stack, operation.scope = lender.stack, operation.scope or lender.scope
        for result in results_in(operation.arguments):
            if operation.stack:
                lenders[result.operation] = operation
