"""Where the value of a name came from, within a function and across a call: enough to follow a size from the line that
read it to the line that decides by it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pytest_torchscript.tracing.branches import UNTELLING, asked, nodes_around

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_torchscript.tracing.frames import Frame

_Assignment = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr)


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


def parameters(frame: Frame) -> set[str]:
    """Return the parameters of the function around a frame's line."""
    function = next(iter(nodes_around(frame.file, frame.line)), None)
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return set()
    taken = function.args
    names = [*taken.posonlyargs, *taken.args, *taken.kwonlyargs, taken.vararg, taken.kwarg]
    return {name.arg for name in names if name is not None} - UNTELLING
