"""The pytest plugin: its hooks, each handed on to the module that does the work.

This package and `suite` are the only ones that import pytest; torch, transformers and hypothesis are imported by the first
test that needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_torchscript.errors import Error
from pytest_torchscript.plugin import collection, hookspecs, markers, neuron, options, reporting, subjects, tracking
from pytest_torchscript.plugin.cases import Cases
from pytest_torchscript.plugin.fixtures import (
    _own_case,  # noqa: F401 - pytest finds fixtures by the names of this module
    torchscript,
    torchscript_eager,
    torchscript_inputs,
    torchscript_model,
    torchscript_neuron,
    torchscript_suite,  # noqa: F401
    torchscript_traced,
)
from pytest_torchscript.plugin.ids import take_suite_ids
from pytest_torchscript.plugin.keys import CASES, RUN, SUITE_IDS

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_torchscript.plugin.options import Run

__all__ = ["torchscript", "torchscript_eager", "torchscript_inputs", "torchscript_model", "torchscript_neuron", "torchscript_traced"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and their ini twins."""
    options.add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Publish the hooks that others may implement."""
    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Take ids of the suite out of the arguments before pytest looks for files of that name."""
    early_config.stash[SUITE_IDS] = take_suite_ids(parser, args)


def pytest_configure(config: pytest.Config) -> None:
    """Read the options; a malformed one ends the run before anything is loaded."""
    for line in markers.MARKERS:
        config.addinivalue_line("markers", line)
    worker = hasattr(config, "workerinput")
    config.stash[RUN] = run = _read_run(config)
    config.stash[CASES] = Cases(config, keep_one=worker, offline=bool(config.option.collectonly))
    if not worker:
        config.pluginmanager.register(reporting.Recorder(config, run), "torchscript-recorder")
    if run.ids and not config.option.file_or_dir:
        config.args = []  # only tests of the suite were named: the folder's own stay out


def _read_run(config: pytest.Config) -> Run:
    try:
        return options.read_run(config)
    except Error as error:
        raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Prepare a worker's share of a Neuron device; on xdist's controller, check what a worker cannot refuse properly."""
    config = session.config
    if hasattr(config, "workerinput"):
        neuron.take_cores(config)
    elif config.pluginmanager.has_plugin("dsession"):
        neuron.check_cores(config)
        collection.check_on_controller(config)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Name what is checked, and with which versions."""
    return reporting.header(config)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Add the suites, before anybody selects."""
    collection.add_suites(session, items)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat tests for their axes, models and backends."""
    node = metafunc.definition.parent
    if isinstance(node, collection.TorchScriptModel):
        node.parametrize(metafunc)
    elif subjects.FIXTURE in metafunc.fixturenames:
        subjects.parametrize_own(metafunc)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Count which tests will ask for which model, so that the last one can free it."""
    session.config.stash[CASES].expect(tracking.keys_of(session.items))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Know which test is running, and free a model after its last one."""
    with tracking.running(item):
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Forget what an earlier attempt found; refuse a malformed marker; skip what needs a device that is not there."""
    tracking.prepare(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Send what a test found along with its report."""
    report = yield
    reporting.attach(item, report)
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep each model on one worker."""
    from pytest_torchscript.plugin.xdist import make_scheduler

    return make_scheduler(config, log, config.stash[RUN].suites)
