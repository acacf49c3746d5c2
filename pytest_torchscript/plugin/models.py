"""The models of one process: each planned and loaded once, shared by its tests, freed after the last of them.

The only module of the plugin that reaches the engine, and only inside functions: torch is imported by the first test that
needs it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from pytest_torchscript.common.fresh_process import FreshProcess
from pytest_torchscript.errors import BackendError, Error, ModelError
from pytest_torchscript.plugin.names import CONFTEST, MODEL_FIXTURE, MODEL_KEY, PREFIX, SUITE_FIXTURE

if TYPE_CHECKING:
    from pytest_torchscript.backends.base import Backend
    from pytest_torchscript.checks import Lab, ModelPlan
    from pytest_torchscript.isolation.model import IsolatedModel
    from pytest_torchscript.models.blueprint import Blueprint
    from pytest_torchscript.plugin.options import Run
    from pytest_torchscript.plugin.processes import Processes
    from pytest_torchscript.results import Outline
    from pytest_torchscript.settings import Settings

ModelKey = Hashable
_Kept = TypeVar("_Kept")
#: What hypothesis itself starts from: another number says that the user's profile was meant.
_HYPOTHESIS_DEFAULT = 100


@dataclass(frozen=True, eq=False)
class ModelSource:
    """One model to check: a reference or a value (module, ``(module, inputs)``, or something callable that returns one).

    Sources of equal ``key`` are the same model under the same settings. ``label`` is its name in messages: that of a suite,
    or the node id of a test. ``origin`` says where its inputs stand, for a message about them.
    """

    key: ModelKey
    label: str
    value: Any
    settings: Settings
    inputs: Any = None
    suite: bool = False
    origin: str = ""


def reference_source(reference: str, run: Run) -> ModelSource:
    """Return what a reference of the command line means, for the suite and for tests of the user's own."""
    return ModelSource((PREFIX, reference), reference, run.models.get(reference, reference), run.settings, suite=True)


def conftest_key(item: Any) -> ModelKey:
    """Return the key of a suite of the overridden fixture: one model for each of the fixture's params."""
    callspec = getattr(item, "callspec", None)
    return (CONFTEST, callspec.indices.get(MODEL_FIXTURE) if callspec else None)


#: After so many models torch is asked to drop their code: that takes a tenth of a second.
_MODELS = 8


@dataclass
class Models:
    """Plans and loaded models by key. A failure is remembered too: it is told once, not tried again by every test.

    ``keep_one`` (a worker of xdist, which cannot know which test is its last) frees a model when another is asked for.
    ``fresh`` serves all of them. ``unloaded`` counts the models that were freed.
    """

    config: pytest.Config
    keep_one: bool = False
    offline: bool = False
    fresh: FreshProcess = field(default_factory=FreshProcess)
    plans: dict[ModelKey, ModelPlan | Error] = field(default_factory=dict)
    loaded: dict[ModelKey, dict[str, Lab | Error]] = field(default_factory=dict)
    waiting: Counter[ModelKey] = field(default_factory=Counter)
    told: dict[int, str] = field(default_factory=dict)
    ready: dict[ModelKey, Backend | None] = field(default_factory=dict)
    selected: dict[tuple[ModelKey, str], set[str]] = field(default_factory=dict)
    unloaded: int = 0

    def plan(self, source: ModelSource) -> ModelPlan:
        """Return the plan of a model. Raises the engine's errors, and no others."""
        from pytest_torchscript.checks.obstacles import or_error, unless_error

        if source.key not in self.plans:
            self.plans[source.key] = or_error(lambda: self._plan(source), source.label)
        return unless_error(self.plans[source.key])

    def lab(self, source: ModelSource, backend: str) -> Lab:
        """Return what a model is examined with on one backend. Raises the engine's errors, and no others."""
        from pytest_torchscript.checks.obstacles import or_error, unless_error

        if self.keep_one and source.key not in self.loaded:
            for key in list(self.loaded):
                self._free(key)
        models = self.loaded.setdefault(source.key, {})
        if "save_load" in self.selected.get((source.key, backend), ()):
            self.fresh.start()
        if backend not in models:
            plan = self.plan(source)
            beside = next((lab for lab in models.values() if not isinstance(lab, Error)), None)
            asked = self.ready.pop(source.key, None)
            using = asked if asked is not None and asked.name == backend else None
            models[backend] = or_error(
                lambda: _fed(plan.load(backend, beside=beside, using=using, fresh=self.fresh)), source.label
            )
        return unless_error(models[backend])

    def try_out(self, source: ModelSource) -> ModelPlan:
        """Return the plan of a model; one of the user's own, which is there already, is built and fed as well.

        Raises the engine's errors, and no others: what stops everything, the lack of the only backend's device included.
        What one of several backends lacks is told by its own tests.
        """
        from pytest_torchscript.checks.obstacles import require_backend

        plan = self.plan(source)
        first, *others = source.settings.backends
        if not others:
            self.ready[source.key] = require_backend(plan, first)
        if plan.blueprint.module is not None:
            try:
                away = self.lab(source, first).subject.eager.device.type != "cpu"
            except BackendError:
                if not others:
                    raise
            else:
                if away and source.settings.device is not None:
                    self._unload(source.key)  # a device holds one model at a time, and this one's tests come later
        return plan

    def outline(self, source: ModelSource) -> Outline:
        """Return what a run has to know of a model before its tests, and try it out where it is to be checked here.

        Raises the engine's errors, and no others.
        """
        apart = self.isolated(source)
        return self.processes.outline(apart) if apart is not None else self.try_out(source).outline

    def planned(self, source: ModelSource) -> Outline:
        """Return the same without trying out. Raises the engine's errors, and no others."""
        apart = self.isolated(source)
        return self.processes.outline(apart) if apart is not None else self.plan(source).outline

    def isolated(self, source: ModelSource) -> IsolatedModel | None:
        """Return a model that is checked in a process of its own; None for one that is checked in this process."""
        from pytest_torchscript.models.reference import Reference
        from pytest_torchscript.plugin.processes import wants_isolation

        refers = isinstance(source.value, (str, Reference))  # text where an id of the suite named it
        if not (source.suite and refers and wants_isolation(self.config, source.settings)):
            return None
        return self.processes.model(source.key, source.label, source.value, with_profile(source.settings))

    @cached_property
    def processes(self) -> Processes:
        """The processes of isolated models."""
        from pytest_torchscript.plugin.processes import Processes

        return Processes(self.config, keep_one=self.keep_one, offline=self.offline)

    def first_to_tell(self, error: Error, nodeid: str) -> str:
        """Return the test that told of a failure to load first: it fails, the others point at it."""
        return self.told.setdefault(id(error), nodeid)

    def known(self, key: ModelKey) -> bool:
        """Whether a model was planned before."""
        return key in self.plans

    def expect(self, items: Iterable[pytest.Item]) -> None:
        """Note which tests will ask for which model: the last one frees it, and none waits for one that is not there."""
        for item in items:
            if MODEL_KEY not in item.stash:
                continue
            self.waiting[item.stash[MODEL_KEY]] += 1
            params = getattr(getattr(item, "callspec", None), "params", {})
            if SUITE_FIXTURE in params:
                check = str(getattr(item, "originalname", "")).removeprefix("test_")
                self.selected.setdefault((item.stash[MODEL_KEY], params[SUITE_FIXTURE]), set()).add(check)

    def release(self, item: pytest.Item) -> None:
        """Say that a test has finished; the model's last one frees it."""
        key = item.stash[MODEL_KEY]
        self.waiting[key] -= 1
        if self.waiting[key] <= 0 and not self.keep_one:
            self._free(key)

    def _free(self, key: ModelKey) -> None:
        self.processes.release(key)
        self._unload(key)
        if not isinstance(self.plans.get(key), Error):
            self.plans.pop(key, None)

    def _unload(self, key: ModelKey) -> None:
        """Drop a loaded model; one that stood on a device makes room there."""
        labs = self.loaded.pop(key, {})
        devices = {lab.subject.loaded.device for lab in labs.values() if not isinstance(lab, Error)} - {"cpu", "meta"}
        del labs
        self.unloaded += 1
        if self.unloaded % _MODELS == 0:
            from pytest_torchscript.common.jit import forget_code
            from pytest_torchscript.common.room import give_back

            forget_code()
            give_back()
        if devices:
            import torch

            from pytest_torchscript.common.devices import let_go

            for device in devices:
                let_go(torch.device(device))

    def _plan(self, source: ModelSource) -> ModelPlan:
        from pytest_torchscript import checks

        value, inputs = model_and_inputs(source.value)
        origin = "the inputs that came with the model" if inputs is not None else ""
        if source.inputs is not None:
            inputs, origin = source.inputs, source.origin
        settings = with_profile(source.settings)
        plan = checks.make_plan(
            value,
            settings,
            inputs=inputs,
            name=source.label,
            offline=self.offline,
            origin=origin,
            ask=self._hooked_inputs,
        )
        if source.label == CONFTEST:  # those of references are checked together, before the run
            checks.check_names([plan.outline], settings)
        return plan

    def _hooked_inputs(self, blueprint: Blueprint) -> Any:
        """Return the inputs that a conftest.py or a plugin gives for a transformers model."""
        if blueprint.config is None:
            return None
        hook = self.config.hook.pytest_torchscript_inputs
        return hook(config=blueprint.config, model_class=blueprint.model_class, task=blueprint.task)


#: On the config.
MODELS: pytest.StashKey[Models] = pytest.StashKey()


def models_of(config: pytest.Config) -> Models:
    """Return the models of this process."""
    if MODELS not in config.stash:
        worker = hasattr(config, "workerinput")
        models = Models(config, keep_one=worker, offline=bool(config.option.collectonly))
        config.add_cleanup(models.fresh.close)
        config.stash[MODELS] = models
    return config.stash[MODELS]


def _fed(lab: Lab) -> Lab:
    from pytest_torchscript.checks import feed

    feed(lab)
    return lab


def model_and_inputs(value: Any) -> tuple[Any, Any]:
    """Take apart what a fixture, marker or caller gives for a model: a reference, a module, a function, a pair of one of
    these and its inputs, or a maker of any of them (a class, or a function that needs no arguments)."""
    from torch import nn

    from pytest_torchscript.models.functions import is_model, needs_arguments
    from pytest_torchscript.models.reference import Reference

    if callable(value) and not isinstance(value, nn.Module) and (isinstance(value, type) or not needs_arguments(value)):
        value = value()
    inputs = None
    if isinstance(value, tuple) and len(value) == 2 and (isinstance(value[0], str) or is_model(value[0])):
        value, inputs = value
    if isinstance(value, (str, Reference)) or is_model(value):
        return value, inputs
    raise ModelError(
        f"{type(value).__name__} is not a model",
        hint="give an nn.Module, (module, inputs) or a reference such as 'bert-base-uncased'",
    )


def with_profile(settings: Settings) -> Settings:
    """Return the settings with the examples of the hypothesis profile, where the user chose another than the default."""
    if settings.max_examples is not None:
        return settings
    import hypothesis

    chosen = hypothesis.settings().max_examples
    return settings if chosen == _HYPOTHESIS_DEFAULT else replace(settings, max_examples=chosen)


def told(error: Error, label: str) -> str:
    """Return an error as every failure of a model begins: ``torchscript::REFERENCE: …``."""
    text = str(error)
    if text.startswith(f"{PREFIX}::"):
        return text
    return f"{PREFIX}::{text}" if text.startswith(f"{label}: ") else f"{PREFIX}::{label}: {text}"
