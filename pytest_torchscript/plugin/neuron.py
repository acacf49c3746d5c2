"""The marker and fixture for tests on a Neuron device: whether they run, are skipped, or fail, and why.

Looking for a device imports and opens nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pytest_torchscript.errors import Error
from pytest_torchscript.plugin.names import EMULATION
from pytest_torchscript.plugin.options import run_of

if TYPE_CHECKING:
    from pytest_torchscript.backends.base import MarkedDevice
    from pytest_torchscript.results import ModelResult

MARKER = "neuron"
FIXTURE = "torchscript_neuron"

#: On the config: why this process has no Neuron core to run on; empty where it has.
CORES: pytest.StashKey[str] = pytest.StashKey()
#: What holds the core of this process until it ends.
CLAIM: pytest.StashKey[object] = pytest.StashKey()


def device_of(config: pytest.Config) -> MarkedDevice:
    """Return the device of this run: whether one was asked for, which backend runs there, and what is to be done."""
    from pytest_torchscript.backends.registry import marked_device

    return marked_device()(run_of(config).settings)


def require_device(item: pytest.Item) -> str:
    """Return the backend a test of the user's may use; skip or fail the test where nothing can be run.

    In the mode `compile` only a test that has something to compile goes on, up to its fixture.
    """
    from pytest_torchscript.backends.base import COMPILE, FAIL, RUN, SKIP, STAND_IN

    device = device_of(item.config)
    plan = device.readiness
    if plan.action == FAIL:
        pytest.fail(plan.message, pytrace=False)
    if plan.action == SKIP:
        pytest.skip(plan.message)
    if plan.action == COMPILE and FIXTURE not in getattr(item, "fixturenames", ()):
        pytest.skip("not run: it needs a device, and --torchscript-neuron compile only compiles")
    refusal = core_refusal(item.config) if plan.action == RUN else ""
    if refusal:
        pytest.fail(refusal, pytrace=False)
    if plan.action == STAND_IN:
        mark_emulated(item, plan.reason)
    return device.backend


def note_emulation(item: pytest.Item, found: ModelResult) -> None:
    """Remember that what a test found was found on an emulated device."""
    for export in found.exports:
        if export.device is not None and export.device.get("emulated"):
            mark_emulated(item, export.device["note"])


def mark_emulated(item: pytest.Item, note: str) -> None:
    """Have a test's reports say that it ran on an emulated device, JUnit's among them."""
    if EMULATION not in item.stash:
        item.user_properties.append(("torchscript_neuron", "emulated"))
    item.stash[EMULATION] = note


def compiles_only(config: pytest.Config) -> str:
    """Return what is said of a test that was compiled and is not to be run; empty where it may run."""
    from pytest_torchscript.backends.base import COMPILE

    device = device_of(config)
    return f"{device.backend}: {device.readiness.reason}" if device.readiness.action == COMPILE else ""


def mode_text(config: pytest.Config) -> str:
    """Return what header and summary say about Neuron; empty where a run has nothing to do with it."""
    mode, device = run_of(config).settings.neuron, device_of(config)
    return f"{mode}, {device.readiness.reason}" if device.asked or mode != "auto" else ""


def take_cores(config: pytest.Config) -> str:
    """Give a worker of xdist a Neuron core of its own, before any runtime starts; return what was done.

    On the controller nothing is taken; OptionError where there are more workers than cores.
    """
    workerinput = getattr(config, "workerinput", None) or {}
    workers = workerinput.get("workercount") or len(config.getoption("tx", default=None) or ())
    share = device_of(config).share(workerinput.get("workerid"), workers, workerinput.get("testrunuid", ""))
    os.environ.update(share.environment)
    config.stash[CLAIM] = share.claim
    return share.note


def core_refusal(config: pytest.Config) -> str:
    """Return why this process has no core to run on; empty where it has one, or needs none of its own."""
    if CORES not in config.stash:
        try:
            if hasattr(config, "workerinput"):
                take_cores(config)
            config.stash[CORES] = ""
        except Error as error:
            config.stash[CORES] = str(error)
    return config.stash[CORES]


def prepare_worker(config: pytest.Config) -> None:
    """Take a worker's core where there is a device: any test may start a runtime, and it must find its core then.

    More workers than cores are refused to the tests that need a device (`require_device`); others run.
    """
    from pytest_torchscript.backends.registry import marked_device

    if marked_device().is_here():
        core_refusal(config)


def check_cores(config: pytest.Config) -> None:
    """Refuse more workers than there are cores, in a run that asked for a device. Raises UsageError."""
    if not uses_device(config):
        return
    try:
        take_cores(config)
    except Error as error:
        raise pytest.UsageError(str(error)) from None


def uses_device(config: pytest.Config) -> bool:
    """Whether a run requires a device, or was asked for a Neuron backend and may use one."""
    mode = run_of(config).settings.neuron
    return mode == "require" or (mode == "auto" and device_of(config).asked)
