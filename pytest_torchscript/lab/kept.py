"""What a model keeps between calls: which attribute, and which line of the model's code puts it there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn

from pytest_torchscript.common.frames import is_machinery, is_model_file, is_own
from pytest_torchscript.models.eager import Eager
from pytest_torchscript.models.state import Place, State, attributes, changes, look_at_one, parts_of
from pytest_torchscript.results import Cause
from pytest_torchscript.tracing.causes import make_cause
from pytest_torchscript.tracing.frames import Frame, Stack, model_stack

Tensors = Mapping[str, torch.Tensor]

#: What comes of giving one attribute its first value again: all is well, the call raises, it answers otherwise but not
#: well, it answers as before.
CURES, BREAKS, CHANGES, NOTHING = "cures", "breaks", "changes", "nothing"
#: Of more attributes that changed the first so many are asked whether they matter.
_ASKED = 12


@dataclass(frozen=True)
class Kept:
    """An attribute that one call leaves to the next. ``cause`` is the line that sets it, where one was seen to."""

    place: Place
    cause: Cause | None = None

    @property
    def attribute(self) -> str:
        """The attribute's dotted name, from the user's model on."""
        return str(Place(self.path, self.place.name))

    @property
    def path(self) -> str:
        """The part of the user's model that holds it; empty for the model itself."""
        return self.place.path.partition(".")[2]  # the first name is that of the calling form

    def __str__(self) -> str:
        where = (
            f", {Path(self.cause.file).name}:{self.cause.line}" if self.cause is not None and self.cause.line else ""
        )
        return f"keeps `self.{self.place.name}` between calls{where}{f' (in {self.path})' if self.path else ''}"


def what_is_kept(
    eager: Eager, calls: Sequence[Tensors], places: Sequence[Place], effect: Callable[[Place], str]
) -> tuple[Kept, ...]:
    """Return what a model keeps, what matters most first, of the attributes that are no longer as they were after some calls.

    ``effect`` says what comes of giving one of them its first value again: one of CURES, BREAKS, CHANGES and NOTHING. Where
    each alone changes nothing all are returned.
    """
    effects = {place: effect(place) for place in places[:_ASKED]}
    # Where each alone cures nothing they hang together: then all of them count, and a layer that was exchanged the least.
    cured = CURES in effects.values()
    matter = [place for place, found in effects.items() if found != NOTHING] if cured else list(places)
    held = _after(eager, calls)
    lines = lines_that_set(eager, calls, matter)
    matter.sort(
        key=lambda place: (
            isinstance(held.get(place), nn.Module),
            effects.get(place, NOTHING) == NOTHING,
            _is_plain(held.get(place)),  # a table says more than the number that it was made for
            place not in lines,
        )
    )
    return tuple(Kept(place, lines.get(place)) for place in matter)


def _after(eager: Eager, calls: Sequence[Tensors]) -> dict[Place, Any]:
    module = eager.copy(share=False)
    for inputs in calls:
        with suppress(Exception):
            eager.run(module, inputs)
    return dict(attributes(module))


def _is_plain(value: Any) -> bool:
    flag = isinstance(value, torch.Tensor) and value.dtype == torch.bool and value.numel() == 1
    return flag or value is None or isinstance(value, (bool, int, float, str))


def kept_lines(kept: Sequence[Kept], limit: int = 3) -> list[str]:
    """Lay out what a model keeps as evidence lines: ``at FILE:LINE in FUNCTION: sets ...``."""
    unseen = "is another after a call; the line that sets it is not known"
    return [
        f"at {item.cause}" if item.cause is not None else f"`self.{item.place.name}` {unseen}" for item in kept[:limit]
    ]


def lines_that_set(eager: Eager, calls: Sequence[Tensors], places: Sequence[Place]) -> dict[Place, Cause]:
    """Make the calls once more on a fresh copy, line by line, and return the last line of the first call that sets each.

    What is not found in the model's own code is looked for in a second round: in torch's, and behind torch's back, by reading
    the numbers after every line.
    """
    found: dict[Place, Cause] = {}
    for thorough in (False, True):
        module = eager.copy(share=False)
        for inputs in calls:
            watch = _Watch(module, [place for place in places if place not in found], thorough)
            with suppress(Exception), watch:  # a call that eager refuses may set something too
                eager.run(module, inputs)
            for place, stack in watch.changed.items():
                found[place] = make_cause(stack, f"sets `self.{place.name}`, which the next call finds")
        if len(found) == len(places):
            break
    return found


@dataclass
class _Watch:
    """Looks at some attributes after every line of the model's code; ``changed`` holds the lines that changed them for good."""

    module: nn.Module
    places: Sequence[Place]
    thorough: bool
    changed: dict[Place, Stack] = field(default_factory=dict)

    def __enter__(self) -> None:
        parts = parts_of(self.module)
        self.watched = {place: parts[place.path] for place in self.places if place.path in parts}
        self.first = self.marks = self._look()
        self.line: tuple[FrameType | None, int] = (None, 0)
        self.other = sys.gettrace()
        sys.settrace(self._enter)

    def __exit__(self, *_: object) -> None:
        sys.settrace(self.other)
        self._compare()
        lasting = changes(self.first, self.marks)
        self.changed = {place: stack for place, stack in self.changed.items() if place in lasting}

    def _look(self) -> State:
        watched = self.watched.items()
        return {place: look_at_one(part, place.name, contents=self.thorough) for place, part in watched}

    def _enter(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        return self._step if self._counts(frame.f_code.co_filename) else None

    def _counts(self, file: str) -> bool:
        return is_model_file(file) or (self.thorough and not is_machinery(file))

    def _step(self, frame: FrameType, event: str, _argument: Any) -> Any:
        self._compare()
        # What a call returns may be kept on the line that called: that of the model's code, past torch's call of a module.
        at = frame.f_back if event == "return" else frame
        while at is not None and not self._counts(at.f_code.co_filename):
            at = None if is_own(at.f_code.co_filename) else at.f_back
        self.line = (at, at.f_lineno if at is not None else 0)
        return self._step

    def _compare(self) -> None:
        now = self._look()
        for place in changes(self.marks, now):
            self.changed[place] = _stack(*self.line)
        self.marks = now


def _stack(frame: FrameType | None, line: int) -> Stack:
    """Return the model's frames from a line outwards, up to our own call of it."""
    frames: list[Frame] = []
    while frame is not None and not is_own(frame.f_code.co_filename):
        frames.append(Frame(frame.f_code.co_filename, line or frame.f_lineno, frame.f_code.co_name))
        frame, line = frame.f_back, 0
    return model_stack(tuple(frames))
