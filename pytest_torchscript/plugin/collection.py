"""One collector a model, beside the files of the folder, and which of its tests a run wants.

The collector's path is the rootdir: hooks and fixtures of the rootdir's conftest.py apply to the suite as to any test.
"""

from __future__ import annotations

import importlib
import os
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from pytest_torchscript.errors import Error, OptionError, closest
from pytest_torchscript.plugin import neuron, override
from pytest_torchscript.plugin.cases import CaseKey, Cases, Subject
from pytest_torchscript.plugin.ids import SuiteId
from pytest_torchscript.plugin.keys import CASE_KEY, CONFTEST, MODEL_FIXTURE, PREFIX, SUITE_FIXTURE, cases_of, run_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import ModuleType

    from pytest_torchscript.plugin.options import Run

SUITE = "pytest_torchscript.suite"
#: The one test of a reference that could not be resolved.
UNRESOLVED = "test_model"


def wanted_tests(run: Run, axes: Sequence[str] | None) -> Iterator[tuple[str, list[str | None], list[str]]]:
    """Yield each test function with the axes and backends it is repeated for. ``axes`` None: not known before the run."""
    backends = list(run.settings.backends)
    on_device = [backend for backend in backends if backend in neuron.BACKENDS]
    for name in importlib.import_module(SUITE).TESTS:
        if name == "test_axis" and axes is not None:
            if axes:
                yield name, list(axes), backends
        elif name == "test_neuron":
            if on_device:
                yield name, [None], on_device
        elif name != "test_speed" or run.speed:
            yield name, [None], backends


def test_names(run: Run, axes: Sequence[str] | None) -> Iterator[str]:
    """Yield the names of a suite's tests: ``test_axis[sequence]``, with more than one backend ``test_axis[sequence-onnx]``."""
    many = len(run.settings.backends) > 1
    for name, named_axes, backends in wanted_tests(run, axes):
        for axis in named_axes:
            for backend in backends:
                params = [part for part in (axis, backend if many else None) if part]
                yield f"{name}[{'-'.join(params)}]" if params else name


class TorchScriptModel(pytest.Module):
    """The suite of one model: a module of tests whose name is the reference."""

    subject: Subject | None = None
    error: Error | None = None
    axes: tuple[str, ...] | None = None

    @classmethod
    def for_reference(cls, session: pytest.Session, reference: str) -> TorchScriptModel:
        """Return the collector of a reference, as a child of the session."""
        node: TorchScriptModel = cls.from_parent(
            session, path=session.config.rootpath, name=reference, nodeid=_node_id(session, reference)
        )
        return node

    def _getobj(self) -> ModuleType:
        return importlib.import_module(SUITE)

    def funcnamefilter(self, name: str) -> bool:
        """Take every test of the suite, whatever ``python_functions`` says of the user's own."""
        return name.startswith("test_")

    def collect(self) -> list[pytest.Item | pytest.Collector]:
        """Return the tests of this model: all of them, or the one that says why there are none."""
        run = run_of(self.config)
        names = [UNRESOLVED] if self.error else [name for name, _, _ in wanted_tests(run, self.axes)]
        items: list[Any] = []
        for name in names:
            made = self.ihook.pytest_pycollect_makeitem(collector=self, name=name, obj=getattr(self.obj, name))
            items.extend(made or ())
        backends = list(run.settings.backends)
        items.sort(key=lambda item: backends.index(item.callspec.params[SUITE_FIXTURE]))  # one export after the other
        for item in items:
            _settle_id(item)
            item.stash[CASE_KEY] = self.subject.key if self.subject else conftest_key(item)
        return items

    def parametrize(self, metafunc: pytest.Metafunc) -> None:
        """Repeat one test function for its axes and backends."""
        run = run_of(self.config)
        axes: list[str | None] = [None]
        backends = list(run.settings.backends)
        for name, named_axes, its_backends in wanted_tests(run, self.axes):
            if name == metafunc.function.__name__:
                axes, backends = named_axes, its_backends
        if "axis" in metafunc.fixturenames:
            ids: list[Any] = [axis if axis else pytest.HIDDEN_PARAM for axis in axes]
            metafunc.parametrize("axis", axes, ids=ids)
        many = len(run.settings.backends) > 1 and not self.error
        chosen = backends[:1] if self.error else backends
        metafunc.parametrize(SUITE_FIXTURE, chosen, indirect=True, ids=chosen if many else [pytest.HIDDEN_PARAM])


def _node_id(session: pytest.Session, reference: str) -> Any:
    """Return the collector's id; from pytest 9.1 ids have parts, and brackets in a reference must not be read as params."""
    structured = getattr(session, "id", None)
    if structured is None:
        return f"{PREFIX}::{reference}"
    return type(structured)(path=PREFIX, names=(reference,))


def _settle_id(item: Any) -> None:
    """Give an item the id that pytest would read from its text: ``--lf`` compares it with one read from the cache."""
    structured = getattr(item, "_id", None)
    if structured is not None:
        item._id = type(structured).parse(item.nodeid)


def add_suites(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Add the tests of every suite that the run wants to the collected ones. Raises UsageError."""
    config = session.config
    run, cases = run_of(config), cases_of(config)
    nodes = [_planned(session, reference, run, cases) for reference in _wanted_suites(config, run)]
    if wants_conftest(config, run):
        nodes.append(_from_conftest(session))
    if not hasattr(config, "workerinput"):  # its controller has done it, and can end the run properly
        check_names(config, [node.subject for node in nodes if node.subject])
        check_ids(config, {node.name: node.axes for node in nodes}, {node.name for node in nodes if node.error})
    for node in nodes:
        items.extend(_expand(node, run.ids))
    warn_of_unmatched(config, nodes)


def _planned(session: pytest.Session, reference: str, run: Run, cases: Cases) -> TorchScriptModel:
    node = TorchScriptModel.for_reference(session, reference)
    node.subject = reference_subject(reference, run)
    try:
        node.axes = cases.plan(node.subject).axes
    except Error as error:
        node.error = error
    return node


def _from_conftest(session: pytest.Session) -> TorchScriptModel:
    node = TorchScriptModel.for_reference(session, CONFTEST)
    if override.is_parametrised(session):
        node.add_marker(pytest.mark.usefixtures(MODEL_FIXTURE))  # pytest then repeats every test for its params
    return node


def conftest_key(item: Any) -> CaseKey:
    """Return the key of a suite of the overridden fixture: one model for each of the fixture's params."""
    callspec = getattr(item, "callspec", None)
    return (CONFTEST, callspec.indices.get(MODEL_FIXTURE) if callspec else None)


def reference_subject(reference: str, run: Run) -> Subject:
    """Return what a reference of the command line means, for the suite and for tests of the user's own."""
    return Subject((PREFIX, reference), reference, reference, run.settings, suite=True)


def _expand(node: TorchScriptModel, ids: Sequence[SuiteId]) -> list[pytest.Item]:
    """Return the wanted items of a node, told to pytest as a collection of it would be.

    Not by ``session.genitems``: there ``--lf`` filters files that it believes not to have failed.
    """
    own = [suite_id for suite_id in ids if suite_id.reference == node.name]
    items: list[Any] = [
        item for item in node.collect() if not own or node.error or any(suite_id.names(item.name) for suite_id in own)
    ]
    for item in items:
        node.ihook.pytest_itemcollected(item=item)
    report = pytest.CollectReport(nodeid=node.nodeid, outcome="passed", longrepr=None, result=items)
    node.ihook.pytest_collectreport(report=report)
    return items


def wants_conftest(config: pytest.Config, run: Run) -> bool:
    """Whether the suite of the overridden fixture is to be collected. Raises UsageError where it stands elsewhere."""
    named = any(suite_id.reference == CONFTEST for suite_id in run.ids)
    if not named and (run.ids or run.models or _names_files(config)):
        return False
    found = override.find(config)
    if found is None:
        return False
    if not found.at_root:
        raise pytest.UsageError(
            f"fixture '{MODEL_FIXTURE}' is overridden in {found.path}, but the suite for it needs it in the rootdir's "
            f"conftest.py: {config.rootpath / 'conftest.py'}\n"
            "    hint: move it there, or name the model with --torchscript-model"
        )
    return True


def _wanted_suites(config: pytest.Config, run: Run) -> tuple[str, ...]:
    """Return the references whose suites to collect: beside single files only those named on the command line."""
    if run.ids or not _names_files(config):
        return run.suites
    return () if all("::" in arg for arg in config.args) else run.given_models


def _names_files(config: pytest.Config) -> bool:
    """Whether the user asked for single files or tests: then a suite that was not asked for stays out."""
    if config.args_source is not pytest.Config.ArgsSource.ARGS or config.option.pyargs:
        return False
    return not any(os.path.isdir(config.invocation_params.dir / arg) for arg in config.args)  # noqa: PTH112


def check_names(config: pytest.Config, subjects: Sequence[Subject]) -> None:
    """Raise UsageError for an axis or input that an option names and no model has. Silent where a model is not known."""
    run, cases = run_of(config), cases_of(config)
    if not subjects or not (run.settings.axes or run.settings.anchor or run.settings.leave_out):
        return
    try:
        plans = [cases.plan(subject) for subject in subjects]
    except Error:
        return  # its own test says so
    from pytest_torchscript import checks

    try:
        checks.check_names(plans, run.settings)
    except OptionError as error:
        raise pytest.UsageError(str(error)) from None


def check_ids(config: pytest.Config, axes: Mapping[str, tuple[str, ...] | None], unresolved: Iterable[str]) -> None:
    """Raise UsageError for an id that names no test of its suite. ``axes`` holds those of each suite there is."""
    run = run_of(config)
    for suite_id in run.ids:
        reference = suite_id.reference
        if reference in unresolved:
            continue
        names = list(test_names(run, axes[reference])) if reference in axes else []
        if any(suite_id.names(name) for name in names):
            continue
        if reference == CONFTEST and not names:
            hint = f"override the fixture '{MODEL_FIXTURE}' in {config.rootpath / 'conftest.py'}"
        else:
            near = closest(suite_id.test, names)
            hint = (f"did you mean {near!r}? " if near else "") + "its tests are: " + ", ".join(names)
        raise pytest.UsageError(f"not found: {suite_id}\n    hint: {hint}")


def check_on_controller(config: pytest.Config) -> None:
    """Do on xdist's controller, which collects nothing, what `add_suites` checks: a worker cannot end the run properly."""
    run, cases = run_of(config), cases_of(config)
    conftest = wants_conftest(config, run)
    named = run.settings.axes or run.settings.anchor or run.settings.leave_out
    if not (named or run.ids):
        return
    subjects = [reference_subject(reference, run) for reference in run.suites]
    check_names(config, subjects)
    axes: dict[str, tuple[str, ...] | None] = {CONFTEST: None} if conftest else {}
    unresolved = set()
    for subject in subjects:
        try:
            axes[subject.label] = cases.plan(subject).axes
        except Error:
            unresolved.add(subject.label)
    check_ids(config, axes, unresolved)


def warn_of_unmatched(config: pytest.Config, nodes: Sequence[TorchScriptModel]) -> None:
    """Warn, once a run, of known failures that list no test of it, selected or not."""
    known = run_of(config).known
    if known is None or not nodes or getattr(config, "workerinput", {"workerid": "gw0"})["workerid"] != "gw0":
        return
    from pytest_torchscript.report.known import Item

    run = run_of(config)
    items = []
    for node in nodes:
        axes = [entry.axis for entry in known.entries] if node.axes is None else node.axes  # any, where not known yet
        for name, _, backends in wanted_tests(run, node.axes):
            named = axes if name == "test_axis" else [None]
            items += [Item(node.name, name[len("test_") :], axis, backend) for axis in named for backend in backends]
    for line in known.unmatched(items):
        _warn(line)


def _warn(text: str) -> None:
    try:
        warnings.warn(pytest.PytestWarning(text), stacklevel=1)
    except pytest.PytestWarning as error:  # -W error
        raise pytest.UsageError(f"{error}\n    hint: remove the entry, or correct it") from None
