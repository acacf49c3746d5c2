"""Sizes worth trying, read from the source: integers on a line where the tracer saw Python look at a size."""

from __future__ import annotations

import ast
import operator
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_torchscript.tracing.frames import Frame
from pytest_torchscript.tracing.source_code import asked, assigned_values, names_in, nodes_around, origins, syntax_tree

if TYPE_CHECKING:
    from pytest_torchscript.results import Cause
    from pytest_torchscript.tracing.trace import WarnedLine

#: No axis is longer than this, and a line that holds such a number means something else by it.
LARGEST = 1 << 20
_ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
}
_REDUCTIONS = ("sum", "mean", "any", "all", "max", "min", "cumsum", "softmax", "argmax")
#: Methods whose numbers name a dimension or a place rather than a size.
_DIMENSIONS = frozenset(
    (*_REDUCTIONS, "size", "stride", "squeeze", "unsqueeze", "transpose", "permute", "flatten", "unbind", "select")
)


def size_hints(causes: Iterable[Cause], warned: Iterable[WarnedLine]) -> tuple[int, ...]:
    """Return the integers written on the lines of causes and tracer warnings with their two neighbours, ascending:
    ``if n == 37`` gives 36, 37, 38.

    A name counts as the integer that the function, or, for a name in capitals, its class or file, gives it.
    """
    frames = [Frame(cause.file, cause.line, cause.function) for cause in causes]
    frames += [Frame(warning.file, warning.line, warning.function) for warning in warned]
    found = {number for frame in set(frames) if frame.line for number in _numbers_at(frame)}
    return neighbours(found)


def neighbours(numbers: Iterable[int]) -> tuple[int, ...]:
    """Return numbers that may be sizes with their two neighbours, ascending."""
    near = {size for number in numbers for size in (number - 1, number, number + 1)}
    return tuple(sorted(size for size in near if 1 <= size <= LARGEST))


def _numbers_at(frame: Frame) -> Iterator[int]:
    expressions = list(_expressions(frame))
    names = origins(frame, names_in(expressions))
    constants = _constants(frame.file)
    yield from (constants[name] for name in names if name in constants)
    given = (_value(value) for value in assigned_values(frame, names))
    yield from (number for number in given if number is not None)
    for expression in expressions:
        yield from _numbers(expression)


def _expressions(frame: Frame) -> Iterator[ast.expr]:
    """Yield what is written on a line: what its deciding statements ask, else the values of its statement."""
    around = nodes_around(frame.file, frame.line)
    deciding = [node for node in around if asked(node) and any(_on(part, frame.line) for part in asked(node))]
    for node in deciding:
        yield from asked(node)
    if not deciding:
        statements = [node for node in around if isinstance(node, ast.stmt)]
        parts = (part for statement in statements[-1:] for part in ast.iter_child_nodes(statement))
        yield from (part for part in parts if isinstance(part, ast.expr))


def _on(expression: ast.expr, line: int) -> bool:
    return expression.lineno <= line <= (expression.end_lineno or line)


def _numbers(node: ast.AST) -> Iterator[int]:
    """Yield the whole numbers of an expression, worked out where they are calculated from numbers alone."""
    number = _value(node)
    if number is not None:
        yield number
    elif not isinstance(node, (ast.UnaryOp, ast.Lambda)):
        for child in ast.iter_child_nodes(node):
            if not _names_a_dimension(node, child):
                yield from _numbers(child)


def _value(node: ast.AST) -> int | None:
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int else None
    if not isinstance(node, ast.BinOp) or type(node.op) not in _ARITHMETIC:
        return None
    left, right = _value(node.left), _value(node.right)
    if left is None or right is None or not 0 < right <= (64 if isinstance(node.op, ast.Pow) else LARGEST):
        return None
    return int(_ARITHMETIC[type(node.op)](left, right))


def _names_a_dimension(node: ast.AST, child: ast.AST) -> bool:
    if isinstance(node, ast.Subscript):
        return child is node.slice
    is_method = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _DIMENSIONS
    return is_method and child is not node.func  # type: ignore[attr-defined]


@lru_cache(maxsize=64)
def _constants(file: str) -> dict[str, int]:
    """Return the whole numbers that a file gives names in capitals to, at its top level or in a class."""
    tree = syntax_tree(file)
    found: dict[str, int] = {}
    bodies = [node for node in ast.walk(tree) if isinstance(node, (ast.Module, ast.ClassDef))] if tree else []
    for node in (node for body in bodies for node in body.body):
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
            continue
        number = _value(node.value)
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if number is not None and isinstance(target, ast.Name) and target.id.isupper():
                found[target.id] = found[f"self.{target.id}"] = number
    return found
