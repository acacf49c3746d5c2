"""Lines at which a model does otherwise under the tracer than in eager mode, on the very inputs a trace is made with.

Comparing traces cannot see these: every trace has them alike. Two kinds are told apart.

- The model's own Python goes another way under the tracer. There a size is a tensor, not a number: ``n -= 1`` changes it
  under every name that holds it, a dictionary does not find it, ``isinstance(n, int)`` is false, ``n ** -0.5`` is worked
  out in single precision; and some code asks whether it is traced. Both runs are listened to, call of torch by call, and
  put side by side.
- A tensor changes without an operation that a trace could hold: its ``data`` is swapped or written through, its memory
  is written by numpy. That shows in eager alone: the tensor has other values, and torch has not counted a change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_torchscript.tracing.causes import make_cause
from pytest_torchscript.tracing.differences import OUTPUTS, STRUCTURE, WIRING, Difference, find_differences, show
from pytest_torchscript.tracing.forks import group_by_reason
from pytest_torchscript.tracing.frames import Stack
from pytest_torchscript.tracing.listen import Heard, listen

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch
    from torch import nn

    from pytest_torchscript.results import Cause

#: A list of more lines than this is not read.
MOST_LINES = 3
#: Two numbers this close, relatively, are one number worked out in two precisions.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class UnlikeEager:
    """What makes a trace answer otherwise than eager. ``unseen`` are lines that change a tensor without an operation;
    ``otherwise`` are those where the tracer's run parts from eager's, which may do no harm: much code has a branch for the
    tracer that answers the same."""

    unseen: list[Cause]
    otherwise: list[Cause]

    @property
    def causes(self) -> list[Cause]:
        """All lines, most likely first."""
        return [*self.unseen, *self.otherwise][:MOST_LINES]


def unlike_eager(module: nn.Module, example: tuple[torch.Tensor, ...]) -> UnlikeEager:
    """Find the lines that make a trace of `module` answer otherwise than `module` itself on `example`, the positional
    inputs that the trace is made with; most likely first, none where both runs do the same.

    Costs two eager runs and one trace, on copies that share weights. A trace that raises is compared up to there.
    """
    eager, again, traced = listen(module, example), listen(module, example), listen(module, example, traced=True)
    unseen = _causes(eager.unrecorded)
    known = {(cause.file, cause.line) for cause in unseen}
    otherwise = _causes(_otherwise(eager, again, traced))
    return UnlikeEager(unseen, [cause for cause in otherwise if (cause.file, cause.line) not in known])


def _causes(lines: Iterable[tuple[Stack, str]]) -> list[Cause]:
    causes: dict[tuple[str, int], Cause] = {}
    for stack, evidence in lines:
        cause = make_cause(stack, evidence)
        causes.setdefault((cause.file, cause.line), cause)
    return list(causes.values())[:MOST_LINES]


def _otherwise(eager: Heard, again: Heard, traced: Heard) -> list[tuple[Stack, str]]:
    """Return where the tracer's run parts from eager's, in order, less what two eager runs do not share. Numbers that
    only rounding tells apart come last; a size that was changed in place comes first where a difference follows from it.
    """
    noise = {difference.key for difference in find_differences(eager.recording, again.recording)}
    found = [
        difference
        for difference in find_differences(eager.recording, traced.recording)
        if difference.operation is not None and difference.key not in noise and difference.kind != WIRING
    ]
    if traced.raised:  # the tracer's run ends early
        found = [item for item in found if item.kind != OUTPUTS and (item.kind != STRUCTURE or item.added)]
    lines: list[tuple[bool, int, Stack, str]] = []
    places: set[tuple[str, Stack]] = set()
    for operation, difference in ((item.operation, item) for item in found if item.kind != STRUCTURE):
        assert operation is not None
        lines.append((_is_rounding(difference), operation.index, operation.stack, _told(difference)))
        places.add((operation.kind, operation.stack))
    loose = [difference for difference in found if difference.kind == STRUCTURE]
    for group in group_by_reason(loose, (eager.recording, traced.recording), ()):
        counts = [sum(member.added is added for member in group.members) for added in (False, True)]
        sides = zip(counts, ("in eager alone", "under the tracer alone"))
        told = " and ".join(f"{count} call{'s' * (count != 1)} of torch {side}" for count, side in sides if count)
        lines.append((False, group.order, group.reason.stack, told))
    lines.sort(key=lambda line: line[:2])
    used = set(traced.read) if loose else set()
    for operation, changes in zip(traced.recording.operations, traced.used):
        used |= changes if (operation.kind, operation.stack) in places else frozenset()
    blamed = [(traced.changes[number].stack, traced.changes[number].told()) for number in sorted(used)]
    return [*blamed, *((stack, told) for _, _, stack, told in lines)]


def _told(difference: Difference) -> str:
    old, new = difference.old, difference.new
    if _is_rounding(difference):
        return f"{old!r} in eager, {new!r} under the tracer, where a size is a tensor and this is single precision"
    if old is None and new is None:
        return difference.evidence.replace(" became ", " in eager, under the tracer ")
    return f"{show(old)} in eager, {show(new)} under the tracer"


def _is_rounding(difference: Difference) -> bool:
    old, new = difference.old, difference.new
    if not isinstance(old, (int, float)) or not isinstance(new, (int, float)) or isinstance(old, bool):
        return False
    return abs(old - new) <= _ROUNDING * max(abs(old), abs(new))
