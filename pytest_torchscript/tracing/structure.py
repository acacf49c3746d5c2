"""Operations that only one of two traces has, traced back to the statement that made the difference."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from pytest_torchscript.tracing.branches import branches_around, decision_line, is_settled, loops_around
from pytest_torchscript.tracing.differences import Difference
from pytest_torchscript.tracing.frames import Frame, Stack, model_stack
from pytest_torchscript.tracing.graph import Operation, Recording

#: Operations that answer as their input does; a trace with one more of them is no other model.
NEUTRAL = frozenset("aten::contiguous aten::detach aten::alias aten::clone aten::lift_fresh aten::dropout".split())


@dataclass(frozen=True)
class Fork:
    """Where two traces part. ``stack`` is the model's code, innermost first, up to the line that decides; ``choices`` are
    the statements that can have decided, the most telling first; ``within`` is the call in which they stand."""

    stack: Stack
    choices: tuple[ast.AST, ...] = ()
    loop: bool = False

    @property
    def call(self) -> Stack:
        """The call in which the traces part."""
        return self.stack[1:]


@dataclass
class Paths:
    """Which lines a trace went through: every prefix of every call stack, outermost first, with or without scope."""

    prefixes: set[Stack] = field(default_factory=set)
    lines: dict[Stack, set[int]] = field(default_factory=lambda: defaultdict(set))
    by_scope: dict[str, set[Stack]] = field(default_factory=lambda: defaultdict(set))

    @classmethod
    def of(cls, recording: Recording) -> Paths:
        """Collect the paths of a recording, operations that nothing depends on included: they ran."""
        paths = cls()
        for scope, stack in {(operation.scope, operation.stack) for operation in recording.operations}:
            outward = model_stack(stack)[::-1]
            for depth in range(1, len(outward) + 1):
                prefix = outward[:depth]
                paths.prefixes.add(prefix)
                paths.by_scope[scope].add(prefix)
                paths.lines[prefix[:-1]].add(prefix[-1].line)
        return paths


def find_fork(operation: Operation, other: Paths, *, repeated: bool) -> Fork:
    """Find where the other trace left the path of an operation that it does not have. `repeated`: it went through the same
    lines, a different number of times."""
    outward = model_stack(operation.stack)[::-1]
    if not outward:
        return Fork(())
    for known in (other.prefixes, other.by_scope.get(operation.scope, other.prefixes)):
        depth = next((n for n in range(1, len(outward) + 1) if outward[:n] not in known), 0)
        if depth:
            branches = branches_around(outward[depth - 1], _lines(outward[:depth], other))
            return _fork(outward[:depth], branches[:1], branches)
    if repeated:
        loops = [(depth, loop) for depth in range(len(outward), 0, -1) for loop in loops_around(outward[depth - 1])]
        for depth, loop in sorted(loops, key=lambda pair: is_settled(pair[1])):
            return _fork(outward[:depth], [loop], [loop], loop=True)
    return Fork(outward[::-1])


def _lines(prefix: Stack, other: Paths) -> set[int]:
    return other.lines.get(prefix[:-1], set())


def _fork(outward: Stack, chosen: Iterable[ast.AST], choices: Iterable[ast.AST], *, loop: bool = False) -> Fork:
    last = outward[-1]
    line = next((decision_line(node) for node in chosen), last.line)
    return Fork((Frame(last.file, line, last.function), *outward[-2::-1]), tuple(choices), loop)


def describe_counts(differences: Iterable[Difference]) -> str:
    """Say how many operations only one trace has."""
    counts = Counter(difference.added for difference in differences)
    if counts[True] and counts[False]:
        return f"{counts[False]} nodes became {counts[True]}"
    number = counts[True] or counts[False]
    return f"{number} node{'s' * (number != 1)} {'more' if counts[True] else 'fewer'}"
