"""One collector a model, beside the files of the folder: which tests its suite has, and which of them a run wants.

The collector's path is the rootdir: hooks and fixtures of the rootdir's conftest.py apply to the suite as to any test.
"""

from __future__ import annotations

import importlib
import os
import types
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pytest_torchscript.common.libraries import import_libraries
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import Error, OptionError, did_you_mean
from pytest_torchscript.plugin import override
from pytest_torchscript.plugin.compat import collector_id, settle_id
from pytest_torchscript.plugin.models import Models, ModelSource, conftest_key, models_of, reference_source
from pytest_torchscript.plugin.names import CONFTEST, MODEL_FIXTURE, MODEL_KEY, PLACE, PREFIX, SUITE_FIXTURE
from pytest_torchscript.plugin.options import run_of
from pytest_torchscript.plugin.outlines import Outlines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import ModuleType

    from pytest_torchscript.plugin.ids import SuiteId
    from pytest_torchscript.plugin.options import Run
    from pytest_torchscript.results import Outline

SUITE = "pytest_torchscript.suite"
#: The one test of a reference that could not be resolved.
UNRESOLVED = "test_model"


@dataclass(frozen=True)
class Repeated:
    """One test function, with the axes and backends it is repeated for."""

    name: str
    axes: Sequence[str | None]
    backends: Sequence[str]


@dataclass(frozen=True)
class Contents:
    """What decides about the tests of a model. None is not known before the run: the model of an overridden fixture."""

    axes: tuple[str, ...] | None = None
    task: str | None = None

    @classmethod
    def of(cls, outline: Outline) -> Contents:
        """Return the contents of a planned model's suite."""
        return cls(tuple(outline.ranges), outline.task)

    def tests(self, run: Run) -> Iterator[Repeated]:
        """Yield the tests in the order of the suite."""
        from pytest_torchscript.checks import registered

        for check in registered(run.settings.own_backends).values():
            backends = [name for name in run.settings.backends if check.wanted(run.settings, self.task, name)]
            axes = self.axes if check.over and self.axes is not None else (None,)
            if axes and backends:
                yield Repeated(f"test_{check.name}", axes, backends)

    def names(self, run: Run) -> Iterator[str]:
        """Yield the names of the tests: ``test_axis[sequence]``, with more than one backend ``test_axis[sequence-onnx]``."""
        many = len(run.settings.backends) > 1
        for test in self.tests(run):
            for axis in test.axes:
                for backend in test.backends:
                    params = [part for part in (axis, backend if many else None) if part]
                    yield f"{test.name}[{'-'.join(params)}]" if params else test.name


class TorchScriptModel(pytest.Module):
    """The suite of one model: a module of tests whose name is the reference."""

    source: ModelSource | None = None
    error: Error | None = None
    contents: Contents = Contents()

    @classmethod
    def for_reference(cls, session: pytest.Session, reference: str) -> TorchScriptModel:
        """Return the collector of a reference, as a child of the session."""
        node: TorchScriptModel = cls.from_parent(
            session, path=session.config.rootpath, name=reference, nodeid=collector_id(session, PREFIX, reference)
        )
        return node

    def _getobj(self) -> ModuleType:
        suite = importlib.import_module(SUITE)
        own = run_of(self.config).settings.own_backends
        if not any(backend.checks() for backend in own):
            return suite
        from pytest_torchscript.checks import registered

        extended = types.ModuleType(SUITE)
        vars(extended).update(vars(suite), **suite.tests_of(registered(own).values()))
        return extended

    def funcnamefilter(self, name: str) -> bool:
        """Take every test of the suite, whatever ``python_functions`` says of the user's own."""
        return name.startswith("test_")

    def collect(self) -> list[pytest.Item | pytest.Collector]:
        """Return the tests of this model: all of them, or the one that says why there are none."""
        run = run_of(self.config)
        names = [UNRESOLVED] if self.error else [test.name for test in self.contents.tests(run)]
        items: list[Any] = []
        for name in names:
            made = self.ihook.pytest_pycollect_makeitem(collector=self, name=name, obj=getattr(self.obj, name))
            items.extend(made or ())
        backends = list(run.settings.backends)
        items.sort(key=lambda item: backends.index(item.callspec.params[SUITE_FIXTURE]))  # one export after the other
        for item in items:
            settle_id(item)
            item.stash[PLACE] = names.index(item.originalname)
            item.stash[MODEL_KEY] = self.source.key if self.source else conftest_key(item)
        return items

    def parametrize(self, metafunc: pytest.Metafunc) -> None:
        """Repeat one test function for its axes and backends."""
        run = run_of(self.config)
        test = Repeated(UNRESOLVED, [None], run.settings.backends[:1])
        if not self.error:
            test = next(test for test in self.contents.tests(run) if test.name == metafunc.function.__name__)
        if "axis" in metafunc.fixturenames:
            metafunc.parametrize("axis", test.axes, ids=[axis or pytest.HIDDEN_PARAM for axis in test.axes])
        many = len(run.settings.backends) > 1 and not self.error
        ids = test.backends if many else [pytest.HIDDEN_PARAM]
        metafunc.parametrize(SUITE_FIXTURE, test.backends, indirect=True, ids=ids)


def add_suites(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Add the tests of every suite that the run wants to the collected ones. Raises UsageError."""
    config = session.config
    run, models = run_of(config), models_of(config)
    with _dropped(config):
        references = list(_wanted_suites(config, run))
        if references and not config.option.collectonly:
            _import_libraries(config, run, references)
        outlines, planned = Outlines.of(config), {}
        for number in outlines.order(len(references)):
            planned[number] = _planned(session, references[number], run, partial(_outline, models, outlines, number))
        nodes = [planned[number] for number in range(len(references))]
    if wants_conftest(config, run):
        nodes.append(_from_conftest(session))
    if not hasattr(config, "workerinput"):  # its controller has done it, and can end the run properly
        check_known_failures(config)
        check_names(config, [node.source for node in nodes if node.source])
        check_ids(config, {node.name: node.contents for node in nodes}, {node.name for node in nodes if node.error})
    for node in nodes:
        items.extend(_expand(node, run.ids))
    warn_of_unmatched(config, nodes)


def _import_libraries(config: pytest.Config, run: Run, references: Sequence[str]) -> None:
    """Import what the models of this run take, unless they are checked in processes of their own."""
    from pytest_torchscript.plugin.processes import asks_for_isolation

    if not asks_for_isolation(config, run.settings):
        with quiet():
            import_libraries(transformers=any(":" not in reference for reference in references))  # a Hub id or a folder


@contextmanager
def _dropped(config: pytest.Config) -> Iterator[None]:
    """Capture what models print while they are planned, as pytest does while files are collected: ``-s`` shows it."""
    capture: Any = config.pluginmanager.get_plugin("capturemanager")
    if capture is None or not capture.is_globally_capturing():
        yield
        return
    capture.resume_global_capture()
    try:
        yield
    finally:
        capture.suspend_global_capture()
        capture.read_global_capture()


def _planned(
    session: pytest.Session, reference: str, run: Run, outline: Callable[[ModelSource], Outline]
) -> TorchScriptModel:
    node = TorchScriptModel.for_reference(session, reference)
    node.source = reference_source(reference, run)
    try:
        node.contents = Contents.of(outline(node.source))
    except Error as error:
        node.error = error
    return node


def _outline(models: Models, outlines: Outlines, number: int, source: ModelSource) -> Outline:
    """Return the outline of a model, from another worker where that has planned it. Raises the engine's errors."""
    found = outlines.find(number)
    if found is None:
        found = models.outline(source)
        outlines.keep(number, found)
    return found


def _from_conftest(session: pytest.Session) -> TorchScriptModel:
    node = TorchScriptModel.for_reference(session, CONFTEST)
    if override.is_parametrised(session):
        node.add_marker(pytest.mark.usefixtures(MODEL_FIXTURE))  # pytest then repeats every test for its params
    return node


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
    if run.settings.limited:
        limit = "timeout" if run.settings.timeout is not None else "memory"
        raise pytest.UsageError(
            f"--torchscript-{limit}: the model of fixture '{MODEL_FIXTURE}' lives in this process, which keeps no limit\n"
            "    hint: name the model with --torchscript-model, or leave the limit out"
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


def check_names(config: pytest.Config, sources: Sequence[ModelSource]) -> None:
    """Raise UsageError for an axis or input that an option names and no model has. Silent where a model is not known."""
    from pytest_torchscript.plugin.options import names_that_must_exist

    run, models = run_of(config), models_of(config)
    named = names_that_must_exist(config, run)
    if not sources or not (named.axes or named.anchor or named.leave_out):
        return
    try:
        outlines = [models.planned(source) for source in sources]
    except Error:
        return  # its own test says so
    from pytest_torchscript import checks

    try:
        checks.check_names(outlines, named)
    except OptionError as error:
        raise pytest.UsageError(str(error)) from None


def check_known_failures(config: pytest.Config) -> None:
    """Raise UsageError for a known failure of a check that does not exist."""
    known = run_of(config).known
    if known is None or all(entry.check == "axis" for entry in known.entries):
        return  # nothing to look up: checks are not imported for it
    from pytest_torchscript.checks import registered

    try:
        known.require_checks(("model", *registered()))
    except OptionError as error:
        raise pytest.UsageError(str(error)) from None


def check_ids(config: pytest.Config, suites: Mapping[str, Contents], unresolved: Iterable[str]) -> None:
    """Raise UsageError for an id that names no test of its suite. ``suites`` are those there are."""
    run = run_of(config)
    for suite_id in run.ids:
        reference = suite_id.reference
        if reference in unresolved:
            continue
        names = list(suites[reference].names(run)) if reference in suites else []
        if any(suite_id.names(name) for name in names):
            continue
        if reference == CONFTEST and not names:
            hint = f"override the fixture '{MODEL_FIXTURE}' in {config.rootpath / 'conftest.py'}"
        else:
            hint = f"{did_you_mean(suite_id.test, names)}its tests are: {', '.join(names)}"
        raise pytest.UsageError(f"not found: {suite_id}\n    hint: {hint}")


def check_on_controller(config: pytest.Config) -> None:
    """Do on xdist's controller, which collects nothing, what `add_suites` checks: a worker cannot end the run properly."""
    run, models = run_of(config), models_of(config)
    conftest = wants_conftest(config, run)
    check_known_failures(config)
    named = run.settings.axes or run.settings.anchor or run.settings.leave_out
    if not (named or run.ids):
        return
    sources = [reference_source(reference, run) for reference in run.suites]
    check_names(config, sources)
    suites = {CONFTEST: Contents()} if conftest else {}
    unresolved = set()
    for source in sources:
        try:
            suites[source.label] = Contents.of(models.planned(source))
        except Error:
            unresolved.add(source.label)
    check_ids(config, suites, unresolved)


def warn_of_unmatched(config: pytest.Config, nodes: Sequence[TorchScriptModel]) -> None:
    """Warn, once a run, of known failures that list no test of it, selected or not."""
    known = run_of(config).known
    if known is None or not nodes or getattr(config, "workerinput", {"workerid": "gw0"})["workerid"] != "gw0":
        return
    from pytest_torchscript.report.known import Item

    run = run_of(config)
    items = []
    for node in nodes:
        for test in node.contents.tests(run):
            check = test.name[len("test_") :]
            axes = [entry.axis for entry in known.entries] if test.axes == (None,) and check == "axis" else test.axes
            items += [Item(node.name, check, axis, backend) for axis in axes for backend in test.backends]
    for line in known.unmatched(items):
        _warn(line)


def _warn(text: str) -> None:
    try:
        warnings.warn(pytest.PytestWarning(text), stacklevel=1)
    except pytest.PytestWarning as error:  # -W error
        raise pytest.UsageError(f"{error}\n    hint: remove the entry, or correct it") from None
