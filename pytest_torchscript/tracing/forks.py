"""Operations that only one of two traces has, traced back to the line that made the difference."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pytest_torchscript.tracing.differences import show
from pytest_torchscript.tracing.frames import Stack, model_stack
from pytest_torchscript.tracing.graph import Operation, Recording, results_in
from pytest_torchscript.tracing.source_code import (
    asked_names,
    assigned_names,
    branches_around,
    decision_line,
    header_lines,
    is_settled,
    loops_around,
    origins,
    parameters,
    statement_names,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_torchscript.tracing.differences import Difference
    from pytest_torchscript.tracing.watch import ChangedRead

#: Operations that answer as their input does; a trace with one more of them is no other model.
NEUTRAL = frozenset(
    f"aten::{name}" for name in ("contiguous", "detach", "alias", "clone", "lift_fresh", "dropout", "size")
)


class Choice(NamedTuple):
    """A statement that can have decided, and the stack (innermost first) that stands in its reach."""

    stack: Stack
    node: ast.AST

    @property
    def decision(self) -> Stack:
        """The stack with the line that decides as its innermost."""
        return (self.stack[0]._replace(line=decision_line(self.node)), *self.stack[1:])


@dataclass(frozen=True)
class Fork:
    """Where two traces part. ``stack`` is the model's code, innermost first, up to the first line that only one trace
    ran (or ran another number of times); ``choices`` are the statements that can have decided that, the most telling
    first; ``inner`` are those further in, which count only if Python is known to have read something else there."""

    stack: Stack
    choices: tuple[Choice, ...] = ()
    inner: tuple[Choice, ...] = ()
    loop: bool = False


class Reason(NamedTuple):
    """The line that parted two traces, what Python read there, where that is known, and whether it turns a loop. ``sure``
    is False for the mere line of an operation, where neither a read nor a statement accounts for it."""

    stack: Stack
    read: ChangedRead | None = None
    loop: bool = False
    sure: bool = True


@dataclass
class Paths:
    """Which lines a trace went through: every prefix of every call stack, outermost first, with and without scope."""

    prefixes: set[Stack] = field(default_factory=set)
    by_scope: dict[str, set[Stack]] = field(default_factory=lambda: defaultdict(set))
    lines: dict[Stack, set[tuple[str, int]]] = field(default_factory=lambda: defaultdict(set))

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
                paths.lines[prefix[:-1]].add((prefix[-1].function, prefix[-1].line))
        return paths


def find_fork(operation: Operation, other: Paths, *, repeated: bool) -> Fork:
    """Find where the other trace left the path of an operation that it does not have. `repeated`: it went through the
    same lines, a different number of times."""
    outward = model_stack(operation.stack)[::-1]
    if not outward:  # compiled code leaves no frames
        return Fork(())
    for known in (other.prefixes, other.by_scope.get(operation.scope, other.prefixes)):
        depth = next((n for n in range(1, len(outward) + 1) if outward[:n] not in known), 0)
        if depth:
            return _branch(outward, depth, other)
    if not repeated:
        return Fork(outward[::-1], tuple(_choices(outward, len(outward), ())))
    levels = (outward[:depth] for depth in range(len(outward), 0, -1))
    loops = [Choice(level[::-1], loop) for level in levels for loop in loops_around(level[-1]) if not is_settled(loop)]
    return Fork(loops[0].stack if loops else outward[::-1], tuple(loops), loop=bool(loops))


def _branch(outward: Stack, depth: int, other: Paths) -> Fork:
    function = outward[depth - 1].function
    called = other.lines.get(outward[: depth - 1], set())
    inner = [choice for level in range(depth + 1, len(outward) + 1) for choice in _choices(outward, level, ())]
    if depth > 1 and called and all(name != function for name, _ in called):
        # From the line before, the other trace called another function: that line decided, or the call's own ways did.
        inner = [*_choices(outward, depth, ()), *inner]
        depth -= 1
        within = (ast.IfExp, ast.BoolOp)
        choices = [choice for choice in _choices(outward, depth, ()) if isinstance(choice.node, within)]
    else:
        elsewhere = {line for name, line in called if name == function}
        choices = list(_choices(outward, depth, elsewhere))
    return Fork(outward[:depth][::-1], tuple(choices), tuple(inner))


def _choices(outward: Stack, depth: int, elsewhere: Iterable[int]) -> Iterator[Choice]:
    for node in branches_around(outward[depth - 1], set(elsewhere)):
        yield Choice(outward[:depth][::-1], node)


def find_reason(fork: Fork, changed: Sequence[ChangedRead]) -> Reason:
    """Name the line that parted two traces: that of a deciding statement where Python read something else, else of the
    read that its names come from, else of the statement, else of the last truth value that changed on the way there."""
    if not fork.stack and changed:  # what the model returned is unpacked by what stands around it: no line of its own
        return Reason(changed[-1].stack, changed[-1])
    candidates = (*fork.choices, *fork.inner)
    for choice in candidates:
        read = next((read for read in changed if _within(read, choice)), None)
        if read is not None:
            return Reason(choice.decision, read, fork.loop)
    for choice in candidates:
        read = _source(choice, changed)
        if read is not None:
            return Reason(read.stack, read, fork.loop)
    if fork.choices and not is_settled(fork.choices[0].node):
        return Reason(fork.choices[0].decision, loop=fork.loop)
    read = next(_upstream(fork, changed), None)
    if read is not None:
        return Reason(read.stack, read, fork.loop)
    return Reason(fork.choices[0].decision if fork.choices else fork.stack, sure=False)


def _within(read: ChangedRead, choice: Choice) -> bool:
    """Whether a read happened where a statement decides, or in what was called from there."""
    depth = len(read.stack) - len(choice.stack)
    if depth < 0 or read.stack[depth + 1 :] != choice.stack[1:]:
        return False
    frame, last = read.stack[depth], choice.stack[0]
    return frame[::2] == last[::2] and frame.line in header_lines(choice.node)  # same file and function


def _source(choice: Choice, changed: Sequence[ChangedRead]) -> ChangedRead | None:
    """Return the read that gave the names a statement asks their value."""
    return find_source(choice.decision, asked_names(choice.node), changed)


def find_source(stack: Stack, names: set[str], changed: Sequence[ChangedRead]) -> ChangedRead | None:
    """Return the nearest changed read that names of a line got their value from: on the line or before it in the same
    call, or, where they are parameters, in a call that leads there."""
    while stack and names:
        here, names = stack[0], origins(stack[0], names)
        near = [read for read in changed if read.stack[1:] == stack[1:] and read.stack[0].function == here.function]
        before = sorted(
            (read for read in near if read.stack[0].line <= here.line), key=lambda read: -read.stack[0].line
        )
        for read in before:
            if read.stack[0].line == here.line or assigned_names(read.stack[0]) & names:
                return read
        if not names & parameters(here) or len(stack) == 1:
            return None
        stack = stack[1:]
        names = statement_names(stack[0])
    return None


def _upstream(fork: Fork, changed: Sequence[ChangedRead]) -> Iterator[ChangedRead]:
    """Yield the changed truth values of the calls that lead to a fork, nearest call first."""
    for depth in range(len(fork.stack)):
        for read in reversed(changed):
            if isinstance(read.old, bool) and read.stack[1:] == fork.stack[depth + 1 :]:
                yield read


@dataclass
class Group:
    """The operations without counterpart that one line accounts for."""

    reason: Reason
    members: list[Difference] = field(default_factory=list)

    @property
    def operations(self) -> list[Operation]:
        """The operations themselves."""
        return [member.operation for member in self.members if member.operation is not None]

    @property
    def order(self) -> int:
        """The place of the first one in the execution."""
        return min(operation.index for operation in self.operations)

    def describe(self) -> str:
        """Say what Python read, where that is known, and how many operations only one trace has."""
        counts = Counter(member.added for member in self.members)
        number = counts[True] or counts[False]
        text = f"{number} node{'s' * (number != 1)} {'more' if counts[True] else 'fewer'}"
        if counts[True] and counts[False]:
            text = f"{counts[False]} node{'s' * (counts[False] != 1)} became {counts[True]}"
        read = self.reason.read
        return f"{show(read.old)} became {show(read.new)}, {text}" if read is not None else text


def group_by_reason(
    loose: Sequence[Difference], recordings: tuple[Recording, Recording], changed: Sequence[ChangedRead]
) -> list[Group]:
    """Gather operations without counterpart by the line that parted the traces. One that no read accounts for follows
    from those that feed it, or that it feeds, if a read accounts for them."""
    if not loose:
        return []
    paths = {True: Paths.of(recordings[0]), False: Paths.of(recordings[1])}
    sides: dict[tuple[str, Stack], set[bool]] = defaultdict(set)
    for member in loose:
        sides[_place(member)].add(member.added)
    explained: dict[Fork, Reason] = {}
    groups: dict[Stack, Group] = {}
    for component in _components(loose):
        reasons = []
        for member in component:
            fork = find_fork(_operation(member), paths[member.added], repeated=len(sides[_place(member)]) == 1)
            if fork not in explained:
                explained[fork] = find_reason(fork, changed)
            reasons.append(explained[fork])
        backed = next((reason for reason in reasons if reason.read is not None), None)
        for member, own in zip(component, reasons):
            reason = backed if backed is not None and own.read is None else own
            groups.setdefault(reason.stack, Group(reason)).members.append(member)
    sure = [group for group in groups.values() if group.reason.sure]
    return sure or list(groups.values())


def _operation(member: Difference) -> Operation:
    assert member.operation is not None
    return member.operation


def _place(member: Difference) -> tuple[str, Stack]:
    operation = _operation(member)
    return operation.scope, operation.stack


def _components(loose: Sequence[Difference]) -> list[list[Difference]]:
    """Part operations of one side into those that feed each other."""
    root: dict[tuple[bool, int], tuple[bool, int]] = {}

    def find(key: tuple[bool, int]) -> tuple[bool, int]:
        while root[key] != key:
            root[key] = key = root[root[key]]
        return key

    for member in loose:
        key = (member.added, _operation(member).index)
        root[key] = key
        for result in results_in(_operation(member).arguments):
            if (member.added, result.operation) in root:
                root[find(key)] = find((member.added, result.operation))
    components: dict[tuple[bool, int], list[Difference]] = defaultdict(list)
    for member in loose:
        components[find((member.added, _operation(member).index))].append(member)
    return list(components.values())
