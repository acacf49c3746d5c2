"""From a stack to a cause: the line of the model's code, and the expression on it that froze something."""

from __future__ import annotations

import ast
import linecache
import re
from typing import TYPE_CHECKING

from pytest_torchscript.results import Cause
from pytest_torchscript.tracing.frames import Frame, Stack, source_line
from pytest_torchscript.tracing.source_code import asked, nodes_around

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Functions and methods that turn what a tensor knows into Python's own, and attributes that are such.
_READING_FUNCTIONS = frozenset(
    ("int", "float", "bool", "len", "range", "list", "tuple", "min", "max", "sum", "sorted", "round", "abs", "str")
)
_READING_METHODS = frozenset(("item", "tolist", "numpy", "size", "numel", "dim", "stride", "data_ptr", "ndimension"))
_READING_MODULES = frozenset(("math", "np", "numpy"))
_READ_ATTRIBUTES = frozenset(("shape", "data", "device", "dtype", "ndim"))


def make_cause(stack: Stack, evidence: str, operation: str = "") -> Cause:
    """Name the innermost line of a stack of the model's code, and on it what was given to an operation, where one is told.
    Where it cannot be read the cause says so: the line number stays when the file has a name on disk (a package without
    sources), and is 0 for code that has none."""
    if not stack:
        return Cause("", 0, "", "", evidence)
    frame = stack[0]
    source = source_line(frame)
    if source:
        return Cause(
            frame.file, frame.line, frame.function, source, evidence, *frozen_columns(frame, evidence, operation)
        )
    if not frame.file.startswith("<"):
        return Cause(frame.file, frame.line, frame.function, "", f"{evidence} (the source cannot be read)")
    caller = next((outer for outer in stack if not outer.file.startswith("<")), None)
    called = f", called at {caller.file}:{caller.line}" if caller else ""
    return Cause(frame.file, 0, frame.function, "", f"{evidence} (in generated code{called})")


def frozen_columns(frame: Frame, evidence: str = "", operation: str = "") -> tuple[int, int]:
    """Return the first and the last column, from 1 in the stripped line, of the expression that froze something: what the
    line decides by, else what it reads into Python, else all that it computes. Zeros where the syntax tells nothing.

    Of several readings those in the arguments of the operation are meant, of these the first of the kind of number that the
    evidence tells of.

    Of an expression over several lines the part on this line is meant.
    """
    node = _frozen(frame, evidence, operation)
    line = linecache.getline(frame.file, frame.line)
    if node is None or node.lineno != frame.line:
        return 0, 0
    indent = len(line) - len(line.lstrip())
    first = _characters(line, node.col_offset)
    ends_here = node.end_lineno == frame.line and node.end_col_offset is not None
    last = _characters(line, node.end_col_offset) if ends_here else len(line.rstrip())  # type: ignore[arg-type]
    return first - indent + 1, last - indent


def _characters(line: str, offset: int) -> int:
    """Return how many characters so many bytes are: syntax trees count bytes."""
    return len(line.encode()[:offset].decode(errors="ignore"))


def _frozen(frame: Frame, evidence: str, operation: str) -> ast.expr | None:
    around = [node for node in nodes_around(frame.file, frame.line) if not isinstance(node, ast.arguments)]
    for node in around:
        starts = getattr(node, "lineno", 0) == frame.line
        if isinstance(node, (ast.If, ast.While, ast.IfExp, ast.For)) and (
            starts or asked(node)[0].lineno == frame.line
        ):
            return asked(node)[0]
        if isinstance(node, ast.Assert) and starts:
            return node.test
    on_line = [node for node in around if isinstance(node, ast.expr) and node.lineno == frame.line]
    given = {id(node) for call in on_line if _calls(call, operation) for node in _arguments(call)}
    for part in ([node for node in on_line if id(node) in given], on_line):
        first = next(_readings(part, evidence), None)
        if first is not None:
            return first
    return next(_computed(around, frame.line), on_line[0] if on_line else None)


def _unlike(call: ast.Call, evidence: str) -> bool:
    """Whether a call makes another kind of number than the one that changed."""
    changed = re.match(r"(\S+) became \S+", evidence)
    if changed is None or not isinstance(call.func, ast.Name):
        return False
    kind = "bool" if changed[1] in ("True", "False") else "float" if "." in changed[1] else "int"
    return call.func.id in ("int", "float", "bool", "len", "range") and not (
        call.func.id == kind or (kind == "int" and call.func.id in ("len", "range"))
    )


def _readings(on_line: list[ast.expr], evidence: str) -> Iterator[ast.expr]:
    """Yield what reads a number into Python among expressions, the likeliest kind of reading first."""
    calls = (node for node in on_line if isinstance(node, ast.Call) and _reads(node))
    yield from sorted(calls, key=lambda call: _unlike(call, evidence))
    values = [node for node in on_line if isinstance(node, ast.Attribute) and node.attr in _READ_ATTRIBUTES]
    yield from (node for node in on_line if isinstance(node, ast.Subscript) and node.value in values)
    yield from values


def _calls(node: ast.expr, operation: str) -> bool:
    """Whether an expression calls an operation by its name."""
    name = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
    return bool(operation) and name == operation


def _arguments(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all that stands in the arguments of a call, less that of calls in there, but for those that read a number."""
    inside = [*node.args, *node.keywords] if isinstance(node, ast.Call) else list(ast.iter_child_nodes(node))
    for part in inside:
        yield part
        if not isinstance(part, ast.Call) or _reads(part):
            yield from _arguments(part)


def _reads(call: ast.Call) -> bool:
    function = call.func
    if isinstance(function, ast.Name):
        return function.id in _READING_FUNCTIONS
    if not isinstance(function, ast.Attribute):
        return False
    of_module = isinstance(function.value, ast.Name) and function.value.id in _READING_MODULES
    return of_module or function.attr in _READING_METHODS


def _computed(around: list[ast.AST], line: int) -> Iterator[ast.expr]:
    """Yield what the statements on a line compute."""
    for node in around:
        value = getattr(node, "value", None)
        if isinstance(node, ast.stmt) and isinstance(value, ast.expr) and value.lineno == line:
            yield value
