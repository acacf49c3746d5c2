"""The pytest plugin: its hooks, each handed on to the module that does the work.

Every run of pytest imports this module, so it and what it imports stay small: the other modules of the plugin are imported
by the first test, option or file that concerns them, and torch, transformers and hypothesis later still.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from pytest_torchscript.plugin import hookspecs, options, override
from pytest_torchscript.plugin.fixtures import (
    _torchscript_own,  # noqa: F401 - pytest finds fixtures by the names of this module
    torchscript,
    torchscript_eager,
    torchscript_inputs,
    torchscript_model,
    torchscript_neuron,
    torchscript_suite,  # noqa: F401
    torchscript_traced,
)
from pytest_torchscript.plugin.ids import SUITE_IDS, keep_files_of_models, take_suite_ids
from pytest_torchscript.plugin.names import (
    CURRENT_ITEM,
    EMULATED,
    MODEL_KEY,
    OWN_FIXTURE,
    PAYLOAD,
    PREFIX,
    SUITE_FIXTURE,
)
from pytest_torchscript.plugin.options import RUN, run_of
from pytest_torchscript.plugin.reports import Reports

__all__ = [
    "torchscript",
    "torchscript_eager",
    "torchscript_inputs",
    "torchscript_model",
    "torchscript_neuron",
    "torchscript_traced",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and their ini twins."""
    options.add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Publish the hooks that others may implement."""
    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Take ids of the suite out of the arguments before pytest looks for files of that name, and keep files of models."""
    keep_files_of_models(args)
    if any(f"{PREFIX}::" in str(arg) or str(arg).startswith("@") for arg in args):
        early_config.stash[SUITE_IDS] = take_suite_ids(parser, args)


def pytest_configure(config: pytest.Config) -> None:
    """Read the options; a malformed one ends the run before anything is loaded."""
    for line in options.MARKERS:
        config.addinivalue_line("markers", line)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Reports(config), "torchscript-reports")
    if not (config.stash.get(SUITE_IDS, ()) or options.any_given(config)):
        return
    from pytest_torchscript.errors import Error

    try:
        run = run_of(config)
    except Error as error:
        message = str(error)
    else:
        message = ""
    if message:
        raise pytest.UsageError(message)
    if hasattr(config, "workerinput"):
        from pytest_torchscript.plugin.costs import share_threads

        share_threads(config)
    else:
        from pytest_torchscript.plugin.progress import Progress

        config.pluginmanager.register(Progress(config), "torchscript-progress")
    if run.ids and not config.option.file_or_dir:
        config.args = []  # only tests of the suite were named: the folder's own stay out


def uses_suite(config: pytest.Config) -> bool:
    """Whether a run has suites to collect, as far as options and conftest files tell."""
    return RUN in config.stash or override.find(config) is not None


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Prepare a worker's share of a Neuron device; on xdist's controller, check what a worker cannot refuse properly."""
    config = session.config
    if hasattr(config, "workerinput"):
        from pytest_torchscript.plugin import neuron

        neuron.prepare_worker(config)
    elif config.pluginmanager.has_plugin("dsession") and uses_suite(config):
        from pytest_torchscript.plugin import collection, neuron

        neuron.check_cores(config)
        collection.check_on_controller(config)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Name what is checked, and with which versions."""
    if not uses_suite(config):
        return None
    from pytest_torchscript.plugin.recorder import header

    return header(config)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Add the suites, before anybody selects."""
    if uses_suite(session.config):
        from pytest_torchscript.plugin.collection import add_suites

        add_suites(session, items)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat tests for their axes, models and backends."""
    if SUITE_FIXTURE in metafunc.fixturenames:
        metafunc.definition.parent.parametrize(metafunc)  # type: ignore[union-attr]
    elif OWN_FIXTURE in metafunc.fixturenames:
        from pytest_torchscript.plugin.own_tests import parametrize_own

        parametrize_own(metafunc)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Count which tests will ask for which model, so that the last one can free it."""
    if any({SUITE_FIXTURE, OWN_FIXTURE}.intersection(getattr(item, "fixturenames", ())) for item in session.items):
        from pytest_torchscript.plugin.models import models_of
        from pytest_torchscript.plugin.own_tests import settle_key

        for item in session.items:
            settle_key(item)
        models_of(session.config).expect(session.items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Know which test is running, and free a model after its last one."""
    item.config.stash[CURRENT_ITEM] = item
    try:
        return (yield)
    finally:
        if MODEL_KEY in item.stash:
            from pytest_torchscript.plugin.models import models_of

            models_of(item.config).release(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Forget what an earlier attempt found; refuse a malformed marker; skip what needs a device that is not there."""
    if PAYLOAD in item.stash:  # pytest-rerunfailures runs an item again
        del item.stash[PAYLOAD]
    if item.get_closest_marker(PREFIX) or item.get_closest_marker("neuron"):
        from pytest_torchscript.plugin.markers import prepare

        prepare(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Send what a test found along with its report."""
    report = yield
    if PAYLOAD in item.stash or item.get_closest_marker(PREFIX) or item.get_closest_marker("neuron"):
        from pytest_torchscript.plugin.recorder import attach

        attach(item, report, call.excinfo.value if call.excinfo is not None else None)
    return report


def pytest_report_teststatus(report: pytest.CollectReport | pytest.TestReport) -> Any:
    """Keep a test that passed on an emulated device from looking like one that passed."""
    if getattr(report, "torchscript_emulated", False) and report.passed and report.when == "call":
        return EMULATED, "e", (EMULATED.upper(), {"yellow": True})
    return None


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool | None:
    """Have pytest-timeout's limits of the suite kept from outside, where its models are in processes of their own."""
    if not item.nodeid.startswith(f"{PREFIX}::"):
        return None
    from pytest_torchscript.plugin.processes import set_timer

    return set_timer(item, settings)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker where the workers of this run write what they have planned."""
    if RUN in node.config.stash:
        from pytest_torchscript.plugin.outlines import give_folder

        give_folder(node.config, node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep each model on one worker."""
    if RUN not in config.stash:
        return None
    from pytest_torchscript.plugin.costs import costs_of
    from pytest_torchscript.plugin.xdist import make_scheduler

    run = run_of(config)
    return make_scheduler(config, log, run.suites, costs_of(config, run.settings.weights))
