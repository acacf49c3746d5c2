"""What the model's source tells: which statement decides whether a line runs, and how often; and where the value of a
name came from, within a function and across a call. Enough to follow a size from the line that read it to the line that
decides by it."""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_torchscript.tracing.frames import Frame, source_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_EXITS = (ast.Return, ast.Continue, ast.Break)
_Assignment = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr)
#: Names that say nothing about what a test asks.
UNTELLING = frozenset(("self", "range", "enumerate", "zip", "reversed", "len", "isinstance", "hasattr", "getattr"))


@lru_cache(maxsize=64)
def syntax_tree(file: str) -> ast.Module | None:
    """Return the syntax tree of a source file, or None where there is no source."""
    try:
        return ast.parse(source_text(file))
    except (SyntaxError, ValueError):
        return None


@lru_cache(maxsize=1024)
def nodes_around(file: str, line: int) -> tuple[ast.AST, ...]:
    """Return the syntax nodes around and on a line, outermost first, from the innermost function that holds it."""
    tree = syntax_tree(file)
    if tree is None:
        return ()
    found = tuple(_descend(tree, line))
    functions = [n for n, node in enumerate(found) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return found[functions[-1] :] if functions else found


def _descend(node: ast.AST, line: int) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if _spans(child, line):
            yield child
            yield from _descend(child, line)


def _spans(node: ast.AST, line: int) -> bool:
    if isinstance(node, ast.comprehension):  # has no position of its own
        return any(_spans(child, line) for child in ast.iter_child_nodes(node))
    start, end = getattr(node, "lineno", None), getattr(node, "end_lineno", None)
    return start is not None and end is not None and start <= line <= end


def asked(node: ast.AST) -> list[ast.expr]:
    """Return the expressions by which a statement decides: the test of a branch, the iterable of a loop."""
    if isinstance(node, (ast.If, ast.While, ast.IfExp)):
        return [node.test]
    if isinstance(node, (ast.For, ast.AsyncFor)):
        return [node.iter]
    if isinstance(node, ast.BoolOp):
        return list(node.values)
    return [part.iter for part in getattr(node, "generators", [])]


def header_lines(node: ast.AST) -> range:
    """Return the lines on which a statement decides."""
    expressions = asked(node)
    first = min(getattr(node, "lineno", 0) if isinstance(node, ast.stmt) else part.lineno for part in expressions)
    return range(first, max(part.end_lineno or part.lineno for part in expressions) + 1)


def decision_line(node: ast.AST) -> int:
    """Return the line to name for a statement that decides."""
    return node.lineno if isinstance(node, (ast.For, ast.AsyncFor)) else asked(node)[0].lineno


def loops_around(frame: Frame) -> list[ast.AST]:
    """Return the loops whose body holds a frame's line, innermost first."""
    return [node for node in reversed(nodes_around(frame.file, frame.line)) if _loops_over(node, frame.line)]


def _loops_over(node: ast.AST, line: int) -> bool:
    if isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
        return _holds(node.body, line)
    return isinstance(node, _COMPREHENSIONS)


def branches_around(frame: Frame, elsewhere: Collection[int]) -> list[ast.AST]:
    """Return the statements that can have kept the other trace, which ran the lines `elsewhere` of the same call, from
    running this line: those around it, innermost first, then those before it that leave its block."""
    path = nodes_around(frame.file, frame.line)
    around = [node for node in reversed(path) if _decides(node, frame.line, elsewhere)]
    return sorted([*around, *_exits_before(path, frame.line)], key=is_settled)


def _decides(node: ast.AST, line: int, elsewhere: Collection[int]) -> bool:
    if isinstance(node, (ast.IfExp, ast.BoolOp)):
        return True
    if isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
        return _holds(node.body, line) and not any(_holds(node.body, other) for other in elsewhere)
    if not isinstance(node, ast.If):
        return False
    branch = next((part for part in (node.body, node.orelse) if _holds(part, line)), None)
    return branch is not None and not any(_holds(branch, other) for other in elsewhere)


def _holds(statements: list[ast.stmt], line: int) -> bool:
    return bool(statements) and statements[0].lineno <= line <= (statements[-1].end_lineno or line)


def _exits_before(path: tuple[ast.AST, ...], line: int) -> Iterator[ast.If]:
    """Yield the ``if`` statements before a line, nearest first, one branch of which leaves the block."""
    for node in reversed(path):
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if isinstance(statements, list) and _holds(statements, line):
                earlier = [part for part in statements if isinstance(part, ast.If) and (part.end_lineno or 0) < line]
                for part in reversed(earlier):
                    if any(isinstance(statement, _EXITS) for statement in (*part.body, *part.orelse)):
                        yield part


def is_settled(node: ast.AST) -> bool:
    """Whether a statement asks only what no input of the trace can change: the model's own attributes and constants, or
    whether something is there at all."""
    return not any(_tells(expression) for expression in asked(node))


def _tells(expression: ast.expr) -> bool:
    if isinstance(expression, ast.BoolOp):
        return any(_tells(part) for part in expression.values)
    if isinstance(expression, ast.Compare) and all(isinstance(test, (ast.Is, ast.IsNot)) for test in expression.ops):
        return False
    names = {part.id for part in ast.walk(expression) if isinstance(part, ast.Name)}
    return not names <= UNTELLING


def names_in(parts: Iterable[ast.AST]) -> set[str]:
    """Return the names read in expressions, attributes of the model as ``self.name``."""
    found: set[str] = set()
    for node in (node for part in parts for node in ast.walk(part)):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            found.add(f"self.{node.attr}")
    return found - UNTELLING


def asked_names(node: ast.AST) -> set[str]:
    """Return the names that a deciding statement asks."""
    return names_in(asked(node))


def statement_names(frame: Frame) -> set[str]:
    """Return the names in the innermost statement on a frame's line."""
    statements = [node for node in nodes_around(frame.file, frame.line) if isinstance(node, ast.stmt)]
    return names_in(statements[-1:])


def assigned_names(frame: Frame) -> set[str]:
    """Return the names and attributes that the statement on a frame's line gives a value."""
    around = [node for node in nodes_around(frame.file, frame.line) if isinstance(node, _Assignment)]
    return {name for node in around[-1:] for name in _targets(node)}


def _targets(node: ast.AST) -> set[str]:
    return names_in(node.targets if isinstance(node, ast.Assign) else [node.target])  # type: ignore[attr-defined]


def _assignments(frame: Frame) -> list[ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr]:
    """Return the assignments of the function around a frame's line, up to that line, last first."""
    function = next(iter(nodes_around(frame.file, frame.line)), None)
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return []
    found = [node for node in ast.walk(function) if isinstance(node, _Assignment) and node.lineno <= frame.line]
    return sorted(found, key=lambda node: node.lineno, reverse=True)


def origins(frame: Frame, names: set[str]) -> set[str]:
    """Return names with those that they were made from, by the assignments of the function before a frame's line."""
    found = set(names)
    for node in _assignments(frame):
        if _targets(node) & found and node.value is not None:
            found |= names_in([node.value])
    return found


def assigned_values(frame: Frame, names: set[str]) -> list[ast.expr]:
    """Return what the function gives names before a frame's line."""
    given = [node for node in _assignments(frame) if not isinstance(node, ast.AugAssign)]
    return [node.value for node in given if _targets(node) & names and node.value is not None]


def first_write(frame: Frame, names: set[str]) -> int | None:
    """Return the first line after a frame's on which its function writes into one of `names`: ``a[0] = 1``, ``a += 1``."""
    function = next(iter(nodes_around(frame.file, frame.line)), None)
    for node in sorted(ast.walk(function) if function else (), key=lambda node: getattr(node, "lineno", 0)):
        if not isinstance(node, (ast.Assign, ast.AugAssign)) or node.lineno <= frame.line:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        into = [target for target in targets if isinstance(target, ast.Subscript) or isinstance(node, ast.AugAssign)]
        if names_in(into) & names:
            return node.lineno
    return None


def parameters(frame: Frame) -> set[str]:
    """Return the parameters of the function around a frame's line."""
    function = next(iter(nodes_around(frame.file, frame.line)), None)
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return set()
    taken = function.args
    names = [*taken.posonlyargs, *taken.args, *taken.kwonlyargs, taken.vararg, taken.kwarg]
    return {name.arg for name in names if name is not None} - UNTELLING
