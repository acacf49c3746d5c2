"""Operations that only one of two traces has, traced back to the statement that made the difference."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pytest_torchscript.tracing.branches import (
    asked_names,
    assigned_names,
    branches_around,
    decision_line,
    header_lines,
    is_settled,
    loops_around,
)
from pytest_torchscript.tracing.differences import Difference
from pytest_torchscript.tracing.frames import Frame, Stack, model_stack
from pytest_torchscript.tracing.graph import Operation, Recording
from pytest_torchscript.tracing.replay import ChangedRead

#: Operations that answer as their input does; a trace with one more of them is no other model.
NEUTRAL = frozenset("aten::contiguous aten::detach aten::alias aten::clone aten::lift_fresh aten::dropout".split())


@dataclass(frozen=True)
class Fork:
    """Where two traces part. ``stack`` is the model's code, innermost first, up to the first line that only one trace ran (or
    ran another number of times); ``choices`` are the statements that can have decided that, the most telling first."""

    stack: Stack
    choices: tuple[ast.AST, ...] = ()
    loop: bool = False

    @property
    def decision(self) -> Stack:
        """The stack with the line that decides, as far as the source tells, in place of the line that ran."""
        if not self.choices:
            return self.stack
        return (self.stack[0]._replace(line=decision_line(self.choices[0])), *self.stack[1:])


@dataclass
class Paths:
    """Which lines a trace went through: every prefix of every call stack, outermost first, with or without scope."""

    prefixes: set[Stack] = field(default_factory=set)
    calls: dict[Stack, set[Frame]] = field(default_factory=lambda: defaultdict(set))
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
                paths.calls[prefix[:-1]].add(prefix[-1])
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
            return _branch(outward[:depth], other)
    if repeated:
        loops = [(depth, loop) for depth in range(len(outward), 0, -1) for loop in loops_around(outward[depth - 1])]
        for depth, loop in sorted(loops, key=lambda pair: is_settled(pair[1])):
            return Fork(outward[depth - 1 :: -1], (loop,), loop=True)
    return Fork(outward[::-1])


def _branch(prefix: Stack, other: Paths) -> Fork:
    last = prefix[-1]
    called = other.calls.get(prefix[:-1], set())
    if len(prefix) > 1 and called and all(frame.function != last.function for frame in called):
        # The other trace called another function from that line: the line itself decided.
        prefix, called = prefix[:-1], other.calls.get(prefix[:-2], set())
        return Fork(prefix[::-1], tuple(branches_around(prefix[-1], ())))
    elsewhere = {frame.line for frame in called if frame.function == last.function}
    return Fork(prefix[::-1], tuple(branches_around(last, elsewhere)))


def explain(fork: Fork, changed: Sequence[ChangedRead]) -> tuple[Stack, ChangedRead | None]:
    """Return the line that parted two traces, with what Python read there, if anything: the read of a deciding statement,
    else one in the same call, else the last change of a truth value in a call that leads there."""
    for choice in fork.choices:
        lines = header_lines(choice)
        for read in changed:
            if _within(read, fork, lines):
                return _at(fork, decision_line(choice)), read
    for choice in fork.choices:
        read = next((read for read in reversed(changed) if _feeds(read, fork, choice)), None)
        if read is not None:
            return read.stack, read
    if fork.choices and not is_settled(fork.choices[0]):
        return fork.decision, None
    read = next(_upstream(fork, changed), None)
    return (read.stack, read) if read is not None else (fork.decision, None)


def _at(fork: Fork, line: int) -> Stack:
    return (fork.stack[0]._replace(line=line), *fork.stack[1:])


def _within(read: ChangedRead, fork: Fork, lines: range) -> bool:
    """Whether a read happened on these lines of the fork's call, or in what they called."""
    depth = len(read.stack) - len(fork.stack)
    if depth < 0 or read.stack[depth + 1 :] != fork.stack[1:]:
        return False
    frame = read.stack[depth]
    return frame.file == fork.stack[0].file and frame.function == fork.stack[0].function and frame.line in lines


def _feeds(read: ChangedRead, fork: Fork, choice: ast.AST) -> bool:
    """Whether a read's line, in the same call, gives a name its value that the deciding statement then asks."""
    if not fork.stack or read.stack[1:] != fork.stack[1:] or read.stack[0].function != fork.stack[0].function:
        return False
    return bool(assigned_names(read.stack[0]) & asked_names(choice))


def _upstream(fork: Fork, changed: Sequence[ChangedRead]) -> Iterator[ChangedRead]:
    """Yield the changed truth values of the calls that lead to a fork, nearest call first."""
    for depth in range(len(fork.stack)):
        for read in reversed(changed):
            if isinstance(read.old, bool) and read.stack[1:] == fork.stack[depth + 1 :]:
                yield read


def describe_counts(differences: Iterable[Difference]) -> str:
    """Say how many operations only one trace has."""
    counts = Counter(difference.added for difference in differences)
    if counts[True] and counts[False]:
        return f"{counts[False]} nodes became {counts[True]}"
    number = counts[True] or counts[False]
    return f"{number} node{'s' * (number != 1)} {'more' if counts[True] else 'fewer'}"
