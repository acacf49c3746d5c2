"""Which model a user's own test is given: the marker's, else the overridden fixture's, else those of the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pytest_torchscript.errors import Error, OptionError, first_line, with_hint
from pytest_torchscript.plugin import override
from pytest_torchscript.plugin.cases import CaseKey, Cases, Subject, quiet
from pytest_torchscript.plugin.collection import conftest_key, reference_subject
from pytest_torchscript.plugin.keys import CONFTEST, MODEL_FIXTURE, OWN_FIXTURE, PAYLOAD, cases_of, run_of
from pytest_torchscript.plugin.markers import MARKER, Declaration, changed, declaration_of
from pytest_torchscript.results import ModelResult, to_plain

if TYPE_CHECKING:
    from collections.abc import Callable

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
        backends = changed(run.settings, declared.changes).backends
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


@dataclass(frozen=True)
class OwnCase:
    """The model of a user's own test, loaded when a fixture asks for a part of it."""

    item: pytest.Item
    wanted: Request

    def part(self, choose: Callable[[Lab], Any], *, backend: str | None = None) -> Any:
        """Return a part of the case; what goes wrong ends the test with the message alone."""
        config = self.item.config
        payload = self.item.stash.setdefault(PAYLOAD, {"model": self.item.nodeid, "pieces": []})
        if backend is not None:  # a device is what the test is about, whatever else it asks for
            payload["backend"] = backend
        on_device, backend = backend is not None, backend or self.wanted.backend_for(config)
        payload.setdefault("backend", backend)
        try:
            subject = own_subject(self.item, self.wanted)
            case = cases_of(config).case(subject, backend)
            payload["about"] = about(self.item.nodeid, case)
            with quiet():
                chosen = choose(case)
            if on_device:
                payload["device"] = dict(case.export.artifact.details)
            return chosen
        except Error as error:
            message = str(error)
        except Exception as error:  # torch's own, of a model that cannot be exported
            message = with_hint(f"{self.item.nodeid}: {first_line(error)}", "torchscript.check(model) says more")
        pytest.fail(message, pytrace=False)


def about(nodeid: str, case: Lab) -> dict[str, Any]:
    """Return what the report says about the model of a user's own test."""
    loaded = case.subject.loaded
    piece = ModelResult(
        nodeid, type(loaded.module).__name__, loaded.blueprint.task, loaded.blueprint.weights, loaded.parameters
    )
    piece.notes = list(loaded.notes)
    plain: dict[str, Any] = to_plain(piece)
    return plain


def own_subject(item: pytest.Item, wanted: Request) -> Subject:
    """Return the model of a user's own test. OptionError where it has none."""
    run = run_of(item.config)
    declared = declaration_of(item)
    settings = changed(run.settings, declared.changes)
    key = own_key(item, wanted)
    if declared.model is not None:
        return Subject(key, item.nodeid, declared.model, settings, declared.inputs)
    if override.in_force(item):
        return Subject(key, item.nodeid, item_value(item, MODEL_FIXTURE), settings, declared.inputs)
    if wanted.reference is None:
        raise NO_MODEL
    if not declared.changes and declared.inputs is None:
        return reference_subject(wanted.reference, run)
    return Subject(key, wanted.reference, wanted.reference, settings, declared.inputs)


def own_key(item: pytest.Item, wanted: Request) -> CaseKey:
    """Return what tells the model of this test from those of others.

    Tests under the same markers share a model. An overridden fixture may give each test another one.
    """
    marks = tuple(id(mark) for mark in item.iter_markers(MARKER))
    if override.in_force(item) and not _marker_has_model(item):
        return (MODEL_FIXTURE, item.nodeid)
    if wanted.reference is not None and not marks:
        return reference_subject(wanted.reference, run_of(item.config)).key
    return (MARKER, wanted.reference, *marks)


def _marker_has_model(item: pytest.Item) -> bool:
    try:
        return declaration_of(item).model is not None
    except OptionError:
        return True


def item_value(item: Any, fixture: str) -> Any:
    """Return a fixture's value as the test itself would get it, whatever its scope."""
    return item._request.getfixturevalue(fixture)


def conftest_subject(request: pytest.FixtureRequest) -> Subject:
    """Return the model of the overridden fixture; it is asked for once, not by every test of the suite."""
    cases: Cases = cases_of(request.config)
    key = conftest_key(request.node)
    value = None if cases.known(key) else request.getfixturevalue(MODEL_FIXTURE)
    return Subject(key, CONFTEST, value, run_of(request.config).settings, suite=True)
