"""Users' own tests: which model each is given, and the pieces and the helper that the fixtures hand out.

The model is the marker's, else the overridden fixture's, else those of the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import (
    Error,
    InputError,
    MachineFailure,
    OptionError,
    TorchScriptFailure,
    first_line,
    with_hint,
)
from pytest_torchscript.plugin import override
from pytest_torchscript.plugin.compat import fixture_value
from pytest_torchscript.plugin.markers import MARKER, Declaration, declaration_of, settings_of, with_changes
from pytest_torchscript.plugin.models import ModelKey, Models, ModelSource, conftest_key, models_of, reference_source
from pytest_torchscript.plugin.names import CONFTEST, CURRENT_ITEM, MODEL_FIXTURE, MODEL_KEY, OWN_FIXTURE, PAYLOAD
from pytest_torchscript.plugin.neuron import note_emulation
from pytest_torchscript.plugin.options import run_of
from pytest_torchscript.plugin.outcome import add_command, add_line, again_own, properties_of
from pytest_torchscript.results import CheckResult, ModelResult, merge_models, to_plain
from pytest_torchscript.settings import Settings, changed, read_keywords

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from pytest_torchscript.checks import Lab

NO_MODEL = OptionError(
    "no model for the torchscript fixtures of this test",
    evidence=[
        "mark the test: @pytest.mark.torchscript(model=MyEncoder, inputs={...})",
        f"or override the fixture {MODEL_FIXTURE!r} in conftest.py",
        "or run pytest with --torchscript-model",
    ],
    hint="name a model in one of these three ways",
)


MARKERS = f"the inputs of @pytest.mark.{MARKER}"


@dataclass(frozen=True, eq=False)
class Request:
    """What one own test is parametrised with. Every one differs from every other: fixtures are made anew for each test."""

    reference: str | None = None
    backend: str | None = None

    def backend_for(self, config: pytest.Config) -> str:
        """Return the backend, where the test was not repeated for several."""
        return self.backend or run_of(config).settings.backends[0]


def parametrize_own(metafunc: pytest.Metafunc) -> None:
    """Repeat a user's own test for the models and backends that it gets, where these are more than one."""
    config, node = metafunc.config, metafunc.definition
    run = run_of(config)
    try:
        declared = declaration_of(node)
        backends = settings_of(node).backends
    except OptionError:
        declared, backends = Declaration(model=object()), run.settings.backends[:1]  # its set-up says what is wrong
    references: tuple[str | None, ...] = (None,)
    if declared.model is None and not override.in_force(node):
        references = run.suites or (None,)
    requests, ids = [], []
    for reference in references:
        for backend in backends:
            parts = [part for part in (reference, backend if len(backends) > 1 else None) if part]
            requests.append(Request(reference, backend))
            ids.append("-".join(parts) if parts else pytest.HIDDEN_PARAM)
    metafunc.parametrize(OWN_FIXTURE, requests, ids=ids, indirect=True, scope="module")


def settle_key(item: pytest.Item) -> None:
    """Note which model a user's own test will use, for those that use one."""
    callspec: Any = getattr(item, "callspec", None)
    if callspec is not None and OWN_FIXTURE in callspec.params:
        item.stash[MODEL_KEY] = own_key(item, callspec.params[OWN_FIXTURE])


@dataclass(frozen=True)
class OwnTest:
    """The model of a user's own test, loaded when a fixture asks for a part of it."""

    item: pytest.Item
    wanted: Request

    def part(self, choose: Callable[[Lab], Any], *, backend: str | None = None) -> Any:
        """Return a part of the lab; what goes wrong ends the test with the message alone."""
        config = self.item.config
        payload = self.item.stash.setdefault(PAYLOAD, {"model": self.item.nodeid, "pieces": []})
        if backend is not None:  # a device is what the test is about, whatever else it asks for
            payload["backend"] = backend
        on_device, backend = backend is not None, backend or self.wanted.backend_for(config)
        payload.setdefault("backend", backend)
        try:
            source = own_source(self.item, self.wanted)
            lab = models_of(config).lab(source, backend)
            payload["about"] = about(self.item.nodeid, lab)
            with quiet():
                chosen = choose(lab)
            if on_device:
                payload["device"] = lab.export.details
            return chosen
        except Error as error:
            message = str(error)
        except MachineFailure as failed:
            message = str(failed.error)
        except Exception as error:  # torch's own, of a model that cannot be exported
            message = with_hint(f"{self.item.nodeid}: {first_line(error)}", "torchscript.check(model) says more")
        pytest.fail(message, pytrace=False)


def about(nodeid: str, lab: Lab) -> dict[str, Any]:
    """Return what the report says about the model of a user's own test."""
    loaded = lab.subject.loaded
    piece = ModelResult(nodeid, loaded.class_name, loaded.blueprint.task, loaded.blueprint.weights, loaded.parameters)
    piece.device, piece.dtype = loaded.device, loaded.dtype
    piece.notes, piece.inputs_found = list(loaded.notes), lab.spec.found
    plain: dict[str, Any] = to_plain(piece)
    return plain


def own_source(item: pytest.Item, wanted: Request) -> ModelSource:
    """Return the model of a user's own test. OptionError where it has none."""
    run = run_of(item.config)
    declared = declaration_of(item)
    settings = settings_of(item)
    key = own_key(item, wanted)
    if declared.model is not None:
        return ModelSource(key, item.nodeid, declared.model, settings, declared.inputs, origin=MARKERS)
    if override.in_force(item):
        model = fixture_value(item, MODEL_FIXTURE)
        return ModelSource(key, item.nodeid, model, settings, declared.inputs, origin=MARKERS)
    if wanted.reference is None:
        raise NO_MODEL
    if not declared.changes and declared.inputs is None:
        return reference_source(wanted.reference, run)
    return ModelSource(key, wanted.reference, wanted.reference, settings, declared.inputs, origin=MARKERS)


def own_key(item: pytest.Item, wanted: Request) -> ModelKey:
    """Return what tells the model of this test from those of others.

    Tests under the same markers share a model. An overridden fixture may give each test another one.
    """
    marks = tuple(id(mark) for mark in item.iter_markers(MARKER))
    if override.in_force(item) and not _marker_has_model(item):
        return (MODEL_FIXTURE, item.nodeid)
    if wanted.reference is not None and not marks:
        return reference_source(wanted.reference, run_of(item.config)).key
    return (MARKER, wanted.reference, *marks)


def _marker_has_model(item: pytest.Item) -> bool:
    try:
        return declaration_of(item).model is not None
    except OptionError:
        return True


def conftest_source(request: pytest.FixtureRequest) -> ModelSource:
    """Return the model of the overridden fixture; it is asked for once, not by every test of the suite."""
    models: Models = models_of(request.config)
    key = conftest_key(request.node)
    value = None if models.known(key) else request.getfixturevalue(MODEL_FIXTURE)
    return ModelSource(key, CONFTEST, value, run_of(request.config).settings, suite=True)


@dataclass(frozen=True)
class Called:
    """A part of a lab that runs on all of its inputs: ``part(*tensors)``, ``part(**tensors)`` or ``part(tensors_by_name)``.

    Every other attribute is that of the part itself: ``save`` of an export, ``passes`` of eager.
    """

    part: Any
    names: tuple[str, ...]
    run: Callable[[Mapping[str, torch.Tensor]], Any]

    def __call__(self, *tensors: Any, **named: torch.Tensor) -> Any:
        """Run once. Raises InputError for inputs that are missing, unknown or too many."""
        first = tensors[0] if len(tensors) == 1 else None
        positional = {} if isinstance(first, Mapping) else dict(zip(self.names, tensors))
        given = {**(first if isinstance(first, Mapping) else positional), **named}
        wrong = [f"{name!r} is missing" for name in self.names if name not in given]
        wrong += [f"{name!r} is unknown" for name in given if name not in self.names]
        wrong += [f"{len(tensors)} are given"] if len(tensors) > len(self.names) else []
        if wrong:
            raise InputError(f"inputs: {', '.join(wrong)}", hint=f"they are, in this order: {', '.join(self.names)}")
        return self.run(given)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked of half-made copies
            raise AttributeError(name)
        return getattr(self.part, name)


def called_eager(lab: Lab) -> Called:
    """Return eager as a fixture hands it out."""
    return Called(lab.subject.eager, tuple(lab.spec), lab.subject.eager)


def called_export(lab: Lab) -> Called:
    """Return the export as a fixture hands it out."""
    names, artifact = tuple(lab.spec), lab.export.artifact
    return Called(artifact, names, lambda inputs: artifact(*lab.export.taken(inputs)))


@dataclass(frozen=True)
class TorchScript:
    """Checks models; made once a session, it acts for the test that is running."""

    config: pytest.Config

    def check(self, model: Any = None, inputs: Any = None, **settings: Any) -> ModelResult:
        """Put every check to a model and return what was found.

        Args:
            model: a module, a function, a reference, ``(module, inputs)``, or something that returns one of these when it is
                called with nothing; None means the marker's model, else the overridden fixture's.
            inputs: TensorSpecs or example tensors by name, a tuple of them, or one; None means the marker's.
            settings: fields of Settings, laid over the marker's and the command line's: axes, weights, rtol, atol …

        Raises:
            TorchScriptFailure: with every check that failed.
            ModelError, InputError, OptionError: where there is nothing to check.
        """
        __tracebackhide__ = True
        item = self.config.stash[CURRENT_ITEM]
        try:
            result = self._checked(item, model, inputs, settings)
        except Error as error:
            raise error.with_traceback(None) from None
        payload = item.stash.setdefault(PAYLOAD, {"model": item.nodeid, "pieces": []})
        count = len(payload["pieces"])
        result.model = f"{item.nodeid} ({count + 1})" if count else item.nodeid
        payload["pieces"].append(to_plain(result))
        note_emulation(item, result)
        item.user_properties.extend(properties_of(result))
        if result.failures:
            raise TorchScriptFailure(failure_text(item.nodeid, result.failures, len(result.checks)))
        return result

    def _checked(self, item: pytest.Item, model: Any, inputs: Any, settings: Mapping[str, Any]) -> ModelResult:
        from pytest_torchscript import checks

        declared = declaration_of(item)
        asked = {**declared.changes, **read_keywords(settings)}
        chosen = with_changes(run_of(self.config).settings, asked)
        source = ModelSource(
            object(),
            item.nodeid,
            _model(item, model, declared.model),
            chosen,
            declared.inputs if inputs is None else inputs,
            origin=MARKERS if inputs is None else "the inputs given to check()",
        )
        models = Models(self.config, fresh=models_of(self.config).fresh)
        plan = models.plan(source)
        named: dict[str, Any] = {name: asked[name] for name in ("axes", "anchor", "leave_out") if name in asked}
        checks.check_names([plan.outline], changed(Settings(), named))
        with quiet():
            result = merge_models([checks.run_all(models.lab(source, backend)) for backend in chosen.backends])[0]
        add_command(result, lambda _: again_own(self.config, item.nodeid, plan.settings))
        if run_of(self.config).reproducers is not None:
            for check in result.failures:
                add_line(check, "no reproducer: the model has no reference that can be imported")
        return result


def _model(item: pytest.Item, model: Any, declared: Any) -> Any:
    if model is not None:
        return model
    if declared is not None:
        return declared
    if override.in_force(item):
        return fixture_value(item, MODEL_FIXTURE)
    raise NO_MODEL


def failure_text(nodeid: str, failures: Sequence[CheckResult], total: int) -> str:
    """Return what a test shows: the message of the one check that failed, or of all of them under a line that counts."""
    if len(failures) == 1:
        return failures[0].message
    lines = [f"{nodeid}: {len(failures)} of {total} checks failed", *(failure.message for failure in failures)]
    return "\n".join(lines)
