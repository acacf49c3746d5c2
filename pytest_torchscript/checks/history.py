"""The check `history`: a module that was called before is traced as a fresh one is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from pytest_torchscript.checks.answers import unmet
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import READY, REEXPORTS, STEADY, TORCHSCRIPT, WEIGHTS
from pytest_torchscript.checks.registry import check
from pytest_torchscript.common import jit
from pytest_torchscript.common.copying import copy_module
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.compare.policy import Policy
from pytest_torchscript.errors import MachineFailure, first_line
from pytest_torchscript.lab.kept import BREAKS, CHANGES, CURES, NOTHING, Kept, kept_lines, what_is_kept
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.sizes import format_sizes, volume, within
from pytest_torchscript.lab.subject import Tensors
from pytest_torchscript.lab.trial import AGREES, RAISES, Judge, Trial
from pytest_torchscript.models.calling import Positional
from pytest_torchscript.models.state import Place, changes, look_at, put_back
from pytest_torchscript.results import CLEAN, KEPT, HistoryResult
from pytest_torchscript.tracing.baked import same_record
from pytest_torchscript.tracing.trace import trace_module

#: Drawings of inputs that nothing else uses: what the calls before are fed, and what is tried after them.
_BEFORE, _AFTER = 11, 12
#: So many positions are called at at least: what switches for good at a length, as BigBird at 705, must be met.
_LARGE = 1024


@check("history", order=25, needs=(READY, WEIGHTS, REEXPORTS, TORCHSCRIPT))
def check_history(lab: Lab) -> Finding:
    """A module that was called before is traced as a fresh one is.

    A copy is called at the anchor, then at large and small sizes; after each a trace of it is held against one of a fresh copy.
    Where no call leaves anything behind, three forward passes are all it costs. What is left behind counts only where an
    answer is another for it: a cache of what would be computed anyway does no harm.
    """
    steadiness = lab.subject.steadiness
    told = unmet(lab, "history", (STEADY,)) if steadiness.keeps else None
    if told is not None:
        return replace(told, history=_record(steadiness.kept))
    used = Used(lab)
    left: dict[Place, None] = {}
    state = look_at(used.module, contents=True)
    for calls in _rounds(lab):
        for sizes, instead in calls:
            if not used.call(sizes):
                for other in instead:
                    used.call(other)
        before, state = state, look_at(used.module, contents=True)
        changed = changes(before, state)
        left.update(dict.fromkeys(changed))
        if changed and steadiness.fault:
            return Finding.skipped(steadiness.headline)
        if changed:
            try:
                lab.evidence.anchor  # noqa: B018 - whether there is a trace to hold another against
            except Exception as error:
                return Finding.skipped(f"eager cannot be traced, see test_trace: {first_line(error)}")
            found = used.other_trace()
            if found is not None:
                return _failed(used, found, list(left))
    if not left:
        for inputs, answer in used.answers:  # a fresh copy says the same, and the test of an axis asks for it
            used.eager.remember(inputs, answer)
        return Finding.passed(history=HistoryResult(CLEAN))
    found = used.other_answer()
    if found is not None:
        return _failed(used, found, list(left))
    return Finding.passed(
        f"calls leave `self.{next(iter(left)).name}` behind, and a trace after them answers as one before",
        history=HistoryResult(CLEAN),
    )


def _rounds(lab: Lab) -> Iterator[list[tuple[dict[str, int], list[dict[str, int]]]]]:
    """Yield the sizes to call at before each trace, with those to call at instead where eager refuses them: the anchor; then
    all axes large, and all small."""
    yield [(lab.sizes, [])]
    moving = lab.spec.moving
    if moving:
        near = {**lab.sizes, **{name: axis.neighbour(lab.sizes[name]) for name, axis in moving.items()}}
        alone = [{**lab.sizes, name: axis.first} for name, axis in moving.items()]
        yield [(_large(lab), [near]), (_small(lab), alone)]


def _small(lab: Lab) -> dict[str, int]:
    return {**lab.sizes, **{name: axis.first for name, axis in lab.spec.moving.items()}}


def _large(lab: Lab) -> dict[str, int]:
    """Return large sizes that are not dear: the ends of the axes, with as few rows as may be where other axes move."""
    moving = lab.spec.moving
    sizes = {**lab.sizes, **{name: lab.subject.affordable(name).last for name in moving}}
    if "batch" in moving and len(moving) > 1:
        sizes["batch"] = moving["batch"].first
    return within(_affordable(lab), sizes, moving)


def _affordable(lab: Lab) -> int:
    return max(_LARGE, volume(lab.sizes))


@dataclass(frozen=True)
class Difference:
    """What a used module does otherwise than a fresh one. ``ask`` puts the same question to another module: it fails where
    that module is wrong; ``fresh`` is what a fresh one came to, ``used`` what the used one did."""

    said: str
    ask: Callable[[Positional], Trial]
    used: Trial
    fresh: Trial


class Used:
    """A copy of the model that is called again and again, and what has become of it."""

    def __init__(self, lab: Lab) -> None:
        settings = lab.settings
        self.lab, self.eager = lab, lab.subject.eager
        self.module: Positional = self.eager.copy()
        self.judge = Judge(
            self.eager, Policy(rtol=settings.rtol, atol=settings.atol)
        )  # whatever the backend computes in
        self.calls: list[Tensors] = []
        self.answers: list[tuple[Tensors, Any]] = []
        self.sizes: list[dict[str, int]] = []

    def call(self, sizes: Mapping[str, int]) -> bool:
        """Call the module, and say whether it took these sizes."""
        anchored = dict(sizes) == self.lab.sizes
        inputs = self.lab.subject.draw(sizes, _BEFORE) if anchored else self.lab.subject.moved(sizes)
        self.calls.append(inputs)
        try:
            self.answers.append((inputs, self.eager.run(self.module, inputs)))
        except Exception:  # what it left behind is looked at all the same
            return False
        except MachineFailure as failed:  # too large for the machine: the axis tells
            if failed.lost:
                raise
            return False
        self.sizes.append(dict(sizes))
        return True

    def _expected(self, inputs: Tensors) -> Any:
        """Return eager's answer; None where it takes no inputs of these sizes, or the machine cannot bear them."""
        try:
            return self.eager(inputs)
        except Exception:
            return None
        except MachineFailure as failed:
            if failed.lost:
                raise
            return None

    def other_trace(self) -> Difference | None:
        """Trace the module as it is now, and find what this trace gets wrong and a fresh one right, or the reverse."""
        evidence = self.lab.evidence
        try:
            trace = trace_module(self.module, self._example)
        except Exception as error:
            said = f"it cannot be traced any more: {first_line(error)}"
            return Difference(said, self.traceable, Trial(RAISES, first_line(error)), Trial(AGREES))
        if same_record(evidence.anchor, trace):
            return None
        unused = self.traced(self.eager.copy())
        for sizes in self._tried():
            inputs = self.lab.subject.draw(sizes, _AFTER)
            expected = self._expected(inputs)
            if expected is None:
                continue
            used, fresh = (self.judge.against(expected, made, inputs) for made in (self.traced(self.module), unused))
            if used.fails != fresh.fails and AGREES in (used.status, fresh.status):

                def ask(module: Positional, inputs: Tensors = inputs, expected: Any = expected) -> Trial:
                    return self.judge.against(expected, self.traced(module), inputs)

                said = f"its trace {_verb(used)} at {format_sizes(sizes)}; that of a fresh module {_verb(fresh)}"
                return Difference(said, ask, used, fresh)
        return None

    def other_answer(self) -> Difference | None:
        """Call the module as it is now, and find sizes at which it answers otherwise than a fresh one."""
        # The small ones because what was met before (a largest value) shows most beside few.
        for sizes in (_large(self.lab), self.lab.sizes, _small(self.lab)):
            inputs = self.lab.subject.draw(sizes, _AFTER)
            expected = self._expected(inputs)
            if expected is None:
                continue

            def ask(module: Positional, inputs: Tensors = inputs, expected: Any = expected) -> Trial:
                copied = copy_module(module, share=self.eager.shares)
                return self.judge.against(expected, lambda *_: self.eager.run(copied, inputs), inputs)

            used = ask(self.module)
            if used.fails:
                does = "raises" if used.status == RAISES else "answers otherwise than a fresh module"
                return Difference(f"eager itself {does} at {format_sizes(sizes)}", ask, used, Trial(AGREES))
        return None

    @property
    def _example(self) -> tuple[torch.Tensor, ...]:
        return self.lab.subject.ordered(self.lab.subject.inputs)

    def traced(self, module: Positional) -> Any:
        """Return the trace of a module at the anchor, to be run."""
        with quiet():
            return jit.trace(copy_module(module), self._example)

    def traceable(self, module: Positional) -> Trial:
        """Say whether a module can be traced."""
        try:
            self.traced(module)
        except Exception as error:
            return Trial(RAISES, first_line(error))
        return Trial(AGREES)

    def _tried(self) -> Iterator[dict[str, int]]:
        """Yield sizes to try: the anchor, and each axis as large as it may be."""
        sizes, moving = self.lab.sizes, self.lab.spec.moving
        yield sizes
        for name, axis in moving.items():
            last = self.lab.subject.affordable(name).last
            large = within(_affordable(self.lab), {**sizes, name: last}, {name: axis})
            yield large if large != sizes else {**sizes, name: axis.neighbour(sizes[name])}

    def effect(self, found: Difference, place: Place) -> str:
        """Return what comes of it where one attribute is as it was before any call."""
        module = copy_module(self.module, share=self.eager.shares)
        try:
            put_back(module, place, self.eager.copy())
            trial = found.ask(module)
        except Exception:
            return BREAKS
        if trial.fails == found.fresh.fails:
            return CURES
        if trial.status == RAISES != found.used.status:
            return BREAKS
        return NOTHING if trial.lines == found.used.lines else CHANGES


def _failed(used: Used, found: Difference, places: list[Place]) -> Finding:
    kept = what_is_kept(used.eager, used.calls, places, lambda place: used.effect(found, place))
    trial = found.used if found.used.fails else found.fresh
    return Finding.failed(
        str(kept[0]),
        [
            f"called at {'; '.join(format_sizes(sizes) for sizes in used.sizes)} before, {found.said}",
            *(trial.lines if found.ask != used.traceable else []),
            *kept_lines(kept),
        ],
        f"trace a module that was never called, or compute `self.{kept[0].place.name}` from the inputs in every call",
        history=_record(kept),
    )


def _verb(trial: Trial) -> str:
    return "raises" if trial.status == RAISES else "is wrong" if trial.fails else "is right"


def _record(kept: Sequence[Kept]) -> HistoryResult:
    attribute = kept[0].attribute if kept else None
    return HistoryResult(KEPT, attribute, [item.cause for item in kept if item.cause is not None])
