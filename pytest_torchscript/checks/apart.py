"""The program of a process that holds a model: it plans, loads and checks what the run asks for, one request after another.

It answers through a pipe that the model does not know: what the model prints, and what it reads, is not the run's.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

from pytest_torchscript.backends.base import Backend
from pytest_torchscript.checks.obstacles import or_error, require_backend, unless_error
from pytest_torchscript.checks.run import feed, run_check
from pytest_torchscript.common.libraries import import_libraries
from pytest_torchscript.common.phases import shapes_of
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import BackendError, Error
from pytest_torchscript.isolation import wire
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.plan import ModelPlan, make_plan
from pytest_torchscript.models.blueprint import Blueprint
from pytest_torchscript.models.reference import FACTORY, Reference, parse_reference
from pytest_torchscript.results import to_plain
from pytest_torchscript.settings import Settings

Tell = Callable[[Mapping[str, Any]], None]


@dataclass
class Held:
    """One model of this process: its plan and its labs by backend, or why they could not be had."""

    reference: Reference | str
    label: str
    settings: Settings
    hooks: tuple[tuple[wire.Brought, tuple[str, ...]], ...]
    offline: bool
    tell: Tell
    _plan: ModelPlan | Error | None = None
    _labs: dict[str, Lab | Error] = field(default_factory=dict)
    _ready: Backend | None = None

    def plan(self) -> ModelPlan:
        """Return the plan of the model. Raises the engine's errors, and no others."""
        if self._plan is None:
            self._plan = or_error(self._planned, self.label)
        return unless_error(self._plan)

    def _planned(self) -> ModelPlan:
        reference = parse_reference(self.reference) if isinstance(self.reference, str) else self.reference
        with quiet():
            import_libraries(transformers=reference.kind != FACTORY)
        return make_plan(reference, self.settings, name=self.label, offline=self.offline, ask=self._hooked_inputs)

    def try_out(self) -> ModelPlan:
        """Return the plan; a model of the user's own, which is there already, is built and fed as well."""
        plan = self.plan()
        first, *others = self.settings.backends
        if not others:
            self._ready = unless_error(or_error(lambda: require_backend(plan, first), self.label))
        if plan.blueprint.module is not None:
            try:
                self.lab(first)
            except BackendError:
                if not others:
                    raise
        return plan

    def lab(self, backend: str) -> Lab:
        """Return what the model is examined with on one backend. Raises the engine's errors, and no others."""
        if backend not in self._labs:
            plan = self.plan()
            beside = next((lab for lab in self._labs.values() if not isinstance(lab, Error)), None)
            self._labs[backend] = or_error(lambda: self._fed(plan, backend, beside), self.label)
        return unless_error(self._labs[backend])

    def _fed(self, plan: ModelPlan, backend: str, beside: Lab | None) -> Lab:
        asked, self._ready = self._ready, None
        lab = plan.load(backend, beside=beside, using=asked if asked is not None and asked.name == backend else None)

        def heard(who: str, inputs: Mapping[str, Any]) -> None:
            self.tell({"doing": f"{who} ran at {_sizes(lab, inputs)}"})

        lab.subject.passes.heard = heard
        feed(lab)
        return lab

    def _hooked_inputs(self, blueprint: Blueprint) -> Any:
        if blueprint.config is None:
            return None
        known = {"config": blueprint.config, "model_class": blueprint.model_class, "task": blueprint.task}
        for brought, names in self.hooks:
            answer = brought.load()(**{name: known[name] for name in names})
            if answer is not None:
                return answer
        return None


def _sizes(lab: Lab, inputs: Mapping[str, Any]) -> str:
    """Name the sizes of inputs by axis, or else their shapes."""
    try:
        sizes = lab.spec.sizes_of(inputs)
    except Exception:  # inputs of another form, as a check may feed
        return shapes_of(inputs)
    return " ".join(f"{name}={size}" for name, size in sizes.items()) or shapes_of(inputs)


class Answers:
    """Answers requests, by what they ask to ``do``."""

    def __init__(self, tell: Tell) -> None:
        self.tell = tell
        self.held: dict[str, Held] = {}

    def __call__(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a request; an error of ours is one."""
        try:
            answer: dict[str, Any] = getattr(self, f"do_{request['do']}")(request)
        except Error as error:
            return {"error": wire.plain_error(error)}
        return answer

    def do_plan(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Plan a model, and try it out."""
        return {"outline": to_plain(self._held(request).try_out().outline)}

    def do_load(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Build a model for one backend."""
        self._held(request).lab(request["backend"])
        return {}

    def do_check(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one check of a model that was loaded."""
        lab = self._held(request).lab(request["backend"])
        lab.selected = request["selected"]
        return {"piece": to_plain(run_check(lab, request["check"], request["axis"]))}

    def _held(self, request: Mapping[str, Any]) -> Held:
        label = request["label"]
        if label not in self.held:
            settings = replace(request["settings"], own_backends=tuple(each.load() for each in request["backends"]))
            self.held[label] = Held(
                request["reference"], label, settings, request["hooks"], request["offline"], self.tell
            )
        return self.held[label]


class _Forward(logging.Handler):
    """Sends what this package logs to the run, where somebody may have asked for it."""

    def __init__(self, tell: Tell) -> None:
        super().__init__()
        self.tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self.tell({"log": [record.name, record.levelno, record.getMessage()]})


def main() -> None:
    """Answer requests until there are none."""
    asked, answers = _own_pipes()
    _prepare()
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def listen() -> None:
        request = wire.receive(asked)
        while request is not None:
            requests.put(request)
            request = wire.receive(asked)
        os._exit(0)  # the run has ended: whatever threads the model left behind

    threading.Thread(target=listen, daemon=True).start()
    writing = threading.Lock()

    def tell(message: Mapping[str, Any]) -> None:
        with writing:
            wire.tell(answers, message)

    log = logging.getLogger("pytest_torchscript")
    log.addHandler(_Forward(tell))
    log.propagate = False
    answer = Answers(tell)
    tell({"ready": True})
    while True:
        request = requests.get()
        log.setLevel(request["level"])
        tell(answer(request))


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take the pipes of the run from where a model would find them: it reads nothing, and prints to stderr."""
    asked, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return asked, answers


def _prepare() -> None:
    """Say where Python was when the process crashes, leave no core behind, and end with the run whatever becomes of it."""
    faulthandler.enable(all_threads=False)
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if sys.platform == "linux":
        import ctypes
        import signal

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
