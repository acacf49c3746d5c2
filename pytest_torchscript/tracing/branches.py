"""Which statement decides whether a line runs, and how often: read from the model's source, for lines that only one of two
traces went through."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Union

from pytest_torchscript.tracing.frames import Frame, source_text

Function = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
Comprehension = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_Loop = Union[ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp]
_LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_HARMLESS_CALLS = frozenset(("range", "enumerate", "zip", "reversed", "len", "isinstance", "hasattr", "getattr", "self"))


@lru_cache(maxsize=64)
def _tree(file: str) -> ast.Module | None:
    try:
        return ast.parse(source_text(file))
    except (SyntaxError, ValueError):
        return None


def nodes_around(frame: Frame) -> list[ast.AST]:
    """Return the syntax nodes around and on a frame's line, outermost first, within the innermost function that holds it."""
    tree = _tree(frame.file)
    if tree is None:
        return []
    found = list(_descend(tree, frame.line))
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


def header_lines(node: ast.AST) -> range:
    """Return the lines on which a statement decides: the test of an ``if`` or ``while``, the iterable of a loop."""
    if isinstance(node, (ast.If, ast.While, ast.IfExp)):
        return range(min(node.lineno, node.test.lineno), (node.test.end_lineno or node.test.lineno) + 1)
    if isinstance(node, (ast.For, ast.AsyncFor)):
        return range(node.lineno, (node.iter.end_lineno or node.lineno) + 1)
    start = getattr(node, "lineno", 0)
    return range(start, (getattr(node, "end_lineno", None) or start) + 1)


def decision_line(node: ast.AST) -> int:
    """Return the line to name for a statement that decides."""
    if isinstance(node, (ast.If, ast.While, ast.IfExp)):
        return node.test.lineno
    if isinstance(node, (ast.For, ast.AsyncFor)):
        return node.lineno
    if isinstance(node, Comprehension):
        return node.generators[0].iter.lineno
    return getattr(node, "lineno", 0)


def loops_around(frame: Frame) -> list[ast.AST]:
    """Return the loops whose body holds a frame's line, innermost first."""
    return [node for node in reversed(nodes_around(frame)) if _loops_over(node, frame.line)]


def _loops_over(node: ast.AST, line: int) -> bool:
    if isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
        return node.body[0].lineno <= line <= (node.body[-1].end_lineno or line)
    return isinstance(node, Comprehension)


def branches_around(frame: Frame, elsewhere: Collection[int]) -> list[ast.AST]:
    """Return the ``if`` statements that can have kept the other trace, which ran the lines `elsewhere` of the same call,
    from running this line; the most telling first."""
    path = nodes_around(frame)
    around = [node for node in reversed(path) if _decides(node, frame.line, elsewhere)]
    before = list(_exits_before(path, frame.line))
    return sorted([*around, *before], key=is_settled)


def _decides(node: ast.AST, line: int, elsewhere: Collection[int]) -> bool:
    if isinstance(node, ast.While):
        return line > node.test.lineno
    if isinstance(node, (ast.For, ast.AsyncFor)):
        return _loops_over(node, line) and not any(_spans(node.body[0], other) for other in elsewhere)
    if isinstance(node, ast.IfExp):
        return True
    if not isinstance(node, ast.If):
        return False
    branch = next((part for part in (node.body, node.orelse) if _holds(part, line)), None)
    return branch is not None and not any(_holds(branch, other) for other in elsewhere)


def _holds(statements: list[ast.stmt], line: int) -> bool:
    return bool(statements) and statements[0].lineno <= line <= (statements[-1].end_lineno or line)


def _exits_before(path: list[ast.AST], line: int) -> Iterator[ast.If]:
    """Yield the ``if`` statements before a line, nearest first, one branch of which leaves the block."""
    for node in reversed(path):
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if isinstance(statements, list) and _holds(statements, line):
                earlier = [part for part in statements if isinstance(part, ast.If) and (part.end_lineno or 0) < line]
                yield from (part for part in reversed(earlier) if _leaves(part))


def _leaves(node: ast.If) -> bool:
    return any(isinstance(part, _LEAVES) for branch in (node.body, node.orelse) for part in branch)


def _deciding(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, (ast.If, ast.While, ast.IfExp)):
        return [node.test]
    if isinstance(node, (ast.For, ast.AsyncFor)):
        return [node.iter]
    return [part.iter for part in getattr(node, "generators", [])]


def asked_names(node: ast.AST) -> set[str]:
    """Return the names that a deciding statement asks, attributes of the model included."""
    parts = [part for expression in _deciding(node) for part in ast.walk(expression)]
    names = {part.id for part in parts if isinstance(part, ast.Name)}
    return (names | {f"self.{part.attr}" for part in parts if isinstance(part, ast.Attribute)}) - _HARMLESS_CALLS


def assigned_names(frame: Frame) -> set[str]:
    """Return the names and attributes that the statement on a frame's line gives a value."""
    for node in reversed(nodes_around(frame)):
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            parts = [part for target in targets for part in ast.walk(target)]
            names = {part.id for part in parts if isinstance(part, ast.Name)} - _HARMLESS_CALLS
            return names | {f"self.{part.attr}" for part in parts if isinstance(part, ast.Attribute)}
    return set()


def is_settled(node: ast.AST) -> bool:
    """Whether a statement decides by the model's own attributes and constants alone, which no input can change."""
    names = {part.id for asked in _deciding(node) for part in ast.walk(asked) if isinstance(part, ast.Name)}
    return names <= _HARMLESS_CALLS
