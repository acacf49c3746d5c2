"""The evidence: why an export fails. Graphs of two sizes are compared, warnings consulted, the line named."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from pytest_torchscript.common import jit
from pytest_torchscript.common.phases import TRACE, phase, shapes_of
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.compare.compare import DIFFERENT, compare_outputs
from pytest_torchscript.compare.messages import describe
from pytest_torchscript.errors import MachineFailure, first_line
from pytest_torchscript.lab.bench import Bench
from pytest_torchscript.lab.export import Export
from pytest_torchscript.lab.running import running
from pytest_torchscript.lab.subject import EXAMPLE, MANY_TIMES, Sizes, Subject
from pytest_torchscript.lab.trial import AGREES, artifact_error
from pytest_torchscript.models.calling import Positional
from pytest_torchscript.results import Cause
from pytest_torchscript.spec import Axis
from pytest_torchscript.tracing.baked import find_baked, same_record
from pytest_torchscript.tracing.first_operation import first_operation
from pytest_torchscript.tracing.misread import lines_are_off
from pytest_torchscript.tracing.reach import Reach, sizes_moved
from pytest_torchscript.tracing.size_hints import neighbours, size_hints
from pytest_torchscript.tracing.trace import Trace, WarnedLine, repeating, trace_copy
from pytest_torchscript.tracing.unlike_eager import UnlikeEager, unlike_eager
from pytest_torchscript.tracing.warnings import error_cause, warning_causes
from pytest_torchscript.tracing.watch import watch
from pytest_torchscript.tracing.words import places_of, spoken

#: By so many steps axes are moved where all are moved at once.
_STEPS = (2, 4, 7, 11, 16)


@dataclass(frozen=True)
class Suspicion:
    """What the tracer says before anything is run: lines that froze an axis, and integers written on such lines.

    ``few``: nothing hangs on the axis but what changes at the hints, so that few sizes besides show whether it moves.
    ``alone``: and that wherever other axes stand.
    """

    causes: tuple[Cause, ...] = ()
    hints: tuple[int, ...] = ()
    few: bool = False
    alone: bool = False

    @property
    def deciding(self) -> bool:
        """Whether some branch may hang on the axis."""
        return bool(self.causes or self.hints) or not self.few

    def same_program(self, size: int, other: int) -> bool:
        """Whether the same operations are called at two sizes of the axis, wherever other axes stand, so that either of them
        traced is the same program: nothing that Python asks is answered otherwise."""
        between = range(min(size, other), max(size, other) + 1)
        return self.few and self.alone and not self.causes and not any(hint in between for hint in self.hints)


def _few(reach: Reach, changed: set[int]) -> Suspicion | None:
    """Return a suspicion of the numbers that the sizes of an axis are compared with; None where more follows from them."""
    if reach.taken & changed:
        return None
    numbers = {number for size in changed & reach.compared.keys() for number in reach.compared[size]}
    return Suspicion(hints=neighbours(numbers), few=True, alone=not changed & reach.together)


def _moved_apart(main: Sizes, axes: Mapping[str, Axis]) -> dict[str, int]:
    """Return another size for each axis, each so much further that no two sizes stay as far apart as they were; an axis that
    cannot be moved so far has none."""
    found = {}
    for (name, axis), step in zip(axes.items(), _STEPS):
        near = (main[name] + way * step * axis.multiple_of for way in (1, -1))
        size = next((size for size in near if size > 0 and axis.allows(size)), None)
        found.update({} if size is None else {name: size})
    return found


@dataclass
class Evidence:
    """Traces of eager, made for comparison alone: whatever the backend, they tell what an export may have frozen.

    No verdict rests on it. Where eager cannot be traced there are no causes, and no warnings. ``repeats``: two traces of the
    model are known to be the same where nothing is otherwise. ``main`` is that of the model's main anchor, where this is
    another.
    """

    subject: Subject
    export: Export
    bench: Bench
    repeats: bool = False
    main: Evidence | None = None
    _anchor: Trace | None = None
    _suspected: dict[str, Suspicion] = field(default_factory=dict)

    def trace(self, inputs: Mapping[str, torch.Tensor], copy: Positional | None = None) -> Trace:
        """Trace a fresh copy; one that is given is used up. What torch raises passes through."""
        with phase(TRACE, shapes_of(inputs)):
            return trace_copy(self.subject.eager.copy, self.subject.ordered(inputs), copy)

    @property
    def anchor(self) -> Trace:
        """The left side of every comparison."""
        return self._at_the_anchor()

    def _at_the_anchor(self, copy: Positional | None = None) -> Trace:
        if self._anchor is None:
            trace = self.trace(self.subject.inputs, copy)
            self._anchor = repeating(trace) if self.repeats else trace
        return self._anchor

    def recorded(self, copy: Positional, inputs: Mapping[str, torch.Tensor]) -> tuple[Any, Mapping[str, torch.Tensor]]:
        """Return the graph of a trace, and the weights it takes: the left side of every comparison where it is of the
        example. The copy given may be used up."""
        trace = self._at_the_anchor(copy) if inputs is self.subject.inputs else self.trace(inputs, copy)
        return trace.graph, trace.weights

    @cached_property
    def untraced(self) -> str:
        """Why there is nothing to compare: eager cannot be traced. Empty where it can."""
        try:
            self.anchor  # noqa: B018 - whether it can be made is the question
        except (Exception, MachineFailure) as error:
            return first_line(error)
        return ""

    @property
    def warnings(self) -> Sequence[WarnedLine]:
        """What the tracer warned of at the anchor."""
        return () if self.untraced else self.anchor.warnings

    def suspect_axis(self, axis: str) -> Suspicion:
        """Compare the main trace with one where a single axis moved, once. Empty where the other size cannot be traced."""
        if axis not in self._suspected:
            self._suspected[axis] = self._by_one_trace.get(axis) or self._suspicion(axis)
        return self._suspected[axis]

    @cached_property
    def _by_one_trace(self) -> dict[str, Suspicion]:
        """What is suspected of each axis where one trace with all of them moved tells: it records what the main one does, and
        every size that Python saw became that of one axis. Of axes that are not in it a trace of their own tells."""
        main, axes, reach = self.subject.sizes, self.subject.spec.moving, self.reach
        sizes = {**main, **_moved_apart(main, axes)}
        if len(axes) < 2 or any(sizes[name] == main[name] for name in axes) or reach is None or reach.values:
            return {}
        if self.subject.fed(sizes) > MANY_TIMES * self.subject.fed(main):  # pictures that grow by whole patches
            return {}
        moved = self._moved(sizes)
        changed = sizes_moved(self.anchor, moved) if moved is not None and same_record(self.anchor, moved) else None
        if changed is None:
            return {}
        seen = reach.taken | reach.compared.keys() | reach.together
        told = {pair for pair in changed if pair[0] in seen}
        if told - {(main[name], sizes[name]) for name in axes}:
            return {}
        found = {name: _few(reach, {main[name]} if (main[name], sizes[name]) in told else set()) for name in axes}
        self.repeats = True
        return {name: suspicion for name, suspicion in found.items() if suspicion is not None}

    def _suspicion(self, axis: str) -> Suspicion:
        main = self.subject.sizes
        size = self.subject.spec.axes[axis].neighbour(main[axis])
        moved = self._moved({**main, axis: size})
        causes = self._differences(moved, (main[axis], size))
        if moved is None or causes:
            return Suspicion(tuple(causes), size_hints(causes, self.warnings))
        return self._clear(moved) or Suspicion(hints=size_hints((), self.warnings))

    def causes_at(self, axis: str, sizes: Sizes) -> list[Cause]:
        """Compare the main trace with one at other sizes."""
        return self._differences(self._moved(sizes), (self.subject.sizes[axis], sizes[axis]))

    def _moved(self, sizes: Sizes) -> Trace | None:
        if dict(sizes) == self.subject.sizes or self.untraced:
            return None
        main = self.main
        if (
            main is not None
            and main.subject.eager is self.subject.eager
            and dict(sizes) == main.subject.sizes
            and main.unread
        ):
            return main.anchor  # its values are others, and none of them reaches Python
        try:
            return self.trace(self.subject.moved(sizes, EXAMPLE))
        except (Exception, MachineFailure):
            return None

    def _differences(self, moved: Trace | None, sizes: tuple[int, int]) -> list[Cause]:
        return [] if moved is None else find_baked(self.anchor, moved, sizes=sizes)

    def _clear(self, moved: Trace) -> Suspicion | None:
        """Return a suspicion of the numbers that sizes are compared with which are others in a moved trace; None where that
        is not known, or where more than that follows from such sizes."""
        changed = sizes_moved(self.anchor, moved)
        if self.reach is None or self.reach.values or changed is None:
            return None
        return _few(self.reach, {size for size, _ in changed})

    @property
    def unread(self) -> bool:
        """Whether it is known that nothing that the inputs hold has reached Python."""
        return self.reach is not None and not self.reach.values

    @cached_property
    def reach(self) -> Reach | None:
        """What of its inputs the model let Python see at the anchor. None where the export is no trace of it, where it does
        not bear the watch, or where the tracer warned of a line that was not seen; and where several backends are compared,
        which are all asked at the same sizes."""
        is_trace = getattr(self.export.made, "trace", None) is not None
        if not is_trace or self.untraced or len(self.subject.settings.backends) > 1:
            return None
        seen = watch(self.anchor)
        lines = {(read.stack[0].file, read.stack[0].line) for read in seen.reads if read.stack}
        known = all((warned.file, warned.line) in lines for warned in self.warnings)
        return seen.reach if seen.whole and known else None

    def explain_axis(
        self, axis: str, counterexample: Sizes, suspicion: Suspicion, raised: BaseException | None = None
    ) -> list[Cause]:
        """Return the causes of a failure that execution confirmed: by the moved axis, by the counterexample, by warnings.

        Where the artifact raised, the line it raised at comes last.
        """
        causes = (
            self.causes_at(axis, {**self.subject.sizes, axis: counterexample[axis]})
            or list(suspicion.causes)
            or self.causes_at(axis, counterexample)
            or self._by_itself(sizes=tuple(counterexample.values()))
        )
        line = self._raised_at(raised)
        known = {(cause.file, cause.line) for cause in causes}
        return [*causes, line] if line is not None and (line.file, line.line) not in known else causes

    def _raised_at(self, raised: BaseException | None) -> Cause | None:
        return error_cause(raised, None if self.untraced else self.anchor) if raised is not None else None

    def explain_values(self, inputs: Mapping[str, torch.Tensor]) -> list[Cause]:
        """Return the causes of a failure at other values of the same sizes."""
        if self.untraced:
            return self.unlike.causes
        try:
            other = self.trace(inputs)
        except (Exception, MachineFailure):
            return self._by_itself()
        found = find_baked(self.anchor, other)
        if not found and self.elsewhere and self._agrees_when_traced(inputs):
            return []  # what a trace takes is not frozen by the model: no line that the tracer warned of is to blame
        return found or self._by_itself()

    def _agrees_when_traced(self, inputs: Mapping[str, torch.Tensor]) -> bool:
        """Whether a trace, where the export is none, is right for these inputs."""
        with quiet():
            traced = jit.trace(self.subject.eager.copy(), self.subject.ordered(self.subject.inputs))
        return self.bench.judge.trial(traced, inputs).status == AGREES

    def _by_itself(self, *, sizes: tuple[int, ...] = ()) -> list[Cause]:
        """Return lines that no comparison of traces shows, where the export is right on its own example: a branch for the
        tracer does no harm there, so that it comes last."""
        return self.unlike.unseen or self.warned(sizes=sizes) or self.unlike.otherwise

    @property
    def elsewhere(self) -> bool:
        """Whether a trace can be made and the export is another thing, which may be wrong by itself."""
        return getattr(self.export.made, "trace", None) is None and not self.untraced

    def explain_outputs(self, raised: BaseException | None = None) -> list[Cause]:
        """Return the causes of a failure on the example itself: what the model does otherwise under the tracer, or what
        changes a tensor unseen by it; where there is neither, the line that raised, or those that the tracer warned of."""
        line = self._raised_at(raised)
        return self.unlike.causes or ([line] if line is not None else self.warned())

    @cached_property
    def unlike(self) -> UnlikeEager:
        """Lines at which tracing and eager part on the very inputs of the anchor; no comparison of traces sees them."""
        if self.subject.meta or self.bench.of_another_model:
            return UnlikeEager([], [])
        try:
            return unlike_eager(self.subject.eager.copy(), self.subject.ordered(self.subject.inputs))
        except (Exception, MachineFailure):
            return UnlikeEager([], [])

    def explain_change(self, change: Callable[[Any], Any]) -> list[Cause]:
        """Return the line of the first operation that a change of a traced module (freezing it) makes answer otherwise,
        or fail. Nothing where the change shows only in the model as a whole."""
        inputs = self.subject.ordered(self.subject.inputs)

        def wrong(traced: Any) -> str:
            try:
                with quiet(), torch.no_grad(), running({}):
                    expected, changed = traced(*inputs), change(traced.eval())
                    compared = [compare_outputs(changed(*inputs), expected, closeness="optimised") for _ in range(3)]
            except Exception as error:
                return artifact_error(error)
            told = [describe(comparison)[0] for comparison in compared if comparison.status == DIFFERENT]
            return told[0] if told else ""

        cause = first_operation(self.subject.eager.copy(), inputs, wrong)
        return [cause] if cause is not None else []

    def error_lines(self, error: BaseException) -> list[str]:
        """Lay out what torch raised: its own words, and the lines of the model's code that it names, the innermost first."""
        cause = self._raised_at(error)
        named = [] if lines_are_off() else places_of(error)
        first = [f"at {cause.file}:{cause.line} in {cause.function}"] if cause is not None and cause.line else []
        return [*spoken(error), *dict.fromkeys([*first, *named])]

    def warned(self, *, sizes: tuple[int, ...] = ()) -> list[Cause]:
        """Return the lines that the tracer warned of, where nothing better is known and the model may be to blame."""
        return [] if self.bench.of_another_model else warning_causes(self.warnings, sizes=sizes)

    def places(self, causes: Sequence[Cause]) -> list[str]:
        """Lay causes out as evidence lines, or say that there are none."""
        if not causes and self.bench.of_another_model:
            return ["wrong at the anchor already, and no line of this model explains it"]
        if not causes and self.untraced:
            return [f"line not known: eager cannot be traced: {self.untraced}"]
        if not causes and self.elsewhere:
            return ["line not known: a trace of the model does not show it; exporting or running may be to blame"]
        return cause_lines(causes) or ["line not known: the graphs are equal and nothing warned"]

    def advice(self, causes: Sequence[Cause], usual: str) -> str:
        """Return the hint of a failure: the usual one, unless the artifact itself is in question."""
        if not causes and self.bench.of_another_model:
            return self.export.backend.if_another
        backend = self.export.backend
        return backend.hint or (backend.unexplained if not causes else "") or usual


def is_branch(cause: Cause) -> bool:
    """Whether a cause is a branch that Python took, and not a number that it read."""
    asked = re.search(r"^(?:if|elif|while|assert)\b|\bif\b.+\belse\b", cause.source)
    return bool(asked) or bool(re.search("truth value|True became False|False became True", cause.evidence))


def cause_lines(causes: Sequence[Cause], limit: int = 3) -> list[str]:
    """Lay causes out as evidence lines: ``at FILE:LINE in FUNCTION: EVIDENCE``; below the likeliest its source, marked."""
    lines = [f"at {cause}" if cause.line else str(cause) for cause in causes[:limit]]
    marked = causes[0].marked if causes and causes[0].column else []
    return [*lines[:1], *(f"    {line}" for line in marked), *lines[1:]]
