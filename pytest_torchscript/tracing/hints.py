"""Sizes worth trying, read from the source: integers on a line where the tracer saw Python look at a size."""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_torchscript.tracing.branches import nodes_around, syntax_tree
from pytest_torchscript.tracing.frames import Frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_torchscript.results import Cause
    from pytest_torchscript.tracing.trace import TracerNote

#: No axis is longer than this, and a line that holds such a number means something else by it.
LARGEST = 1 << 20


def size_hints(causes: Iterable[Cause], notes: Iterable[TracerNote]) -> tuple[int, ...]:
    """Return the integers written on the lines of causes and tracer notes with their two neighbours, ascending:
    ``if n == 37`` gives 36, 37, 38. A name in capitals on such a line counts as the integer its file gives it."""
    frames = [Frame(cause.file, cause.line, cause.function) for cause in causes]
    frames += [Frame(note.file, note.line, note.function) for note in notes]
    found = {number for frame in set(frames) if frame.line for number in _numbers_at(frame)}
    near = {size for number in found for size in (number - 1, number, number + 1)}
    return tuple(sorted(size for size in near if 1 <= size <= LARGEST))


def _numbers_at(frame: Frame) -> Iterator[int]:
    names = _constants(frame.file)
    for node in _expressions(frame):
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and type(part.value) is int:
                yield part.value
            elif isinstance(part, ast.Name) and part.id in names:
                yield names[part.id]


def _expressions(frame: Frame) -> Iterator[ast.AST]:
    """Yield what is written on a line: the test of an ``if``, the iterable of a loop, or the innermost statement."""
    for node in reversed(nodes_around(frame.file, frame.line)):
        if isinstance(node, (ast.If, ast.While, ast.IfExp)):
            yield node.test
        elif isinstance(node, (ast.For, ast.AsyncFor)):
            yield node.iter
        elif isinstance(node, ast.expr):
            yield node
            continue
        elif isinstance(node, ast.stmt):
            yield node
        else:
            continue
        return


@lru_cache(maxsize=64)
def _constants(file: str) -> dict[str, int]:
    """Return the whole numbers that a file gives names in capitals to, at its top level."""
    tree = syntax_tree(file)
    if tree is None:
        return {}
    found: dict[str, int] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and type(node.value.value) is int:
            targets = (target.id for target in node.targets if isinstance(target, ast.Name))
            found.update((name, node.value.value) for name in targets if name.isupper())
    return found
