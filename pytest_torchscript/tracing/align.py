"""Put two recordings side by side: which operation of one is which of the other, in time linear in their length.

Operations are grouped by where they stand: the module's scope and the whole call stack. Within a place they keep their
order, so only a place that holds different operations (an unrolled loop, a branch within a line) needs a closer look.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_torchscript.tracing.frames import Stack

if TYPE_CHECKING:
    from pytest_torchscript.tracing.graph import Operation, Recording

Place = tuple[str, Stack]
#: Above this many operations at one place a quadratic comparison is not worth its time.
_CLOSE_LOOK = 200


@dataclass
class Alignment:
    """Pairs of operations that correspond, in order, and those that have no counterpart."""

    pairs: list[tuple[Operation, Operation]] = field(default_factory=list)
    only_left: list[Operation] = field(default_factory=list)
    only_right: list[Operation] = field(default_factory=list)


def align(left: Recording, right: Recording) -> Alignment:
    """Align the live operations of two recordings."""
    result = Alignment()
    left_places, right_places = _places(left), _places(right)
    for place, operations in left_places.items():
        _align_place(operations, right_places.get(place, []), result)
    for place, operations in right_places.items():
        if place not in left_places:
            result.only_right.extend(operations)
    result.pairs.sort(key=lambda pair: pair[0].index)
    result.only_left.sort(key=lambda operation: operation.index)
    result.only_right.sort(key=lambda operation: operation.index)
    return result


def _places(recording: Recording) -> dict[Place, list[Operation]]:
    places: dict[Place, list[Operation]] = defaultdict(list)
    for operation in recording.operations:
        if operation.live:
            places[operation.scope, operation.stack].append(operation)
    return places


def _align_place(left: list[Operation], right: list[Operation], result: Alignment) -> None:
    blocks = _matching_blocks([operation.kind for operation in left], [operation.kind for operation in right])
    at_left = at_right = 0
    for start, other, size in [*blocks, (len(left), len(right), 0)]:
        result.only_left.extend(left[at_left:start])
        result.only_right.extend(right[at_right:other])
        result.pairs.extend(zip(left[start : start + size], right[other : other + size]))
        at_left, at_right = start + size, other + size


def _matching_blocks(left: list[str], right: list[str]) -> list[tuple[int, int, int]]:
    """Return ``(start in left, start in right, length)`` of runs that correspond."""
    if left == right:
        return [(0, 0, len(left))]
    start = _common(left, right)
    rest_left, rest_right = left[start:], right[start:]
    if not rest_left or not rest_right:
        return [(0, 0, start)]
    if max(len(rest_left), len(rest_right)) > _CLOSE_LOOK:
        end = _common(rest_left[::-1], rest_right[::-1])
        return [(0, 0, start), (len(left) - end, len(right) - end, end)]
    matcher = difflib.SequenceMatcher(None, rest_left, rest_right, autojunk=False)
    return [(0, 0, start), *((a + start, b + start, size) for a, b, size in matcher.get_matching_blocks())]


def _common(left: list[str], right: list[str]) -> int:
    """Return how many items two lists share from their start."""
    return next((n for n, (a, b) in enumerate(zip(left, right)) if a != b), min(len(left), len(right)))
