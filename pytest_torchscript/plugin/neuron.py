"""The marker and fixture for tests on a Neuron device: whether they run, are skipped, or fail, and why.

Looking for a device imports and opens nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pytest_torchscript.errors import Error
from pytest_torchscript.plugin.keys import run_of

if TYPE_CHECKING:
    from pytest_torchscript.backends.neuron_plan import Plan

MARKER = "neuron"
BACKENDS = ("neuron", "neuronx")


def plan_of(config: pytest.Config) -> tuple[str, Plan]:
    """Return the Neuron backend of this run and what is to be done with its tests."""
    from pytest_torchscript.backends.detect import choose_backend, find_neuron
    from pytest_torchscript.backends.neuron_plan import neuron_plan

    settings = run_of(config).settings
    asked = next((backend for backend in settings.backends if backend in BACKENDS), None)
    status = find_neuron(backend=asked) if asked else choose_backend()
    return status.backend, neuron_plan(settings.neuron, status)


def require_device(config: pytest.Config) -> str:
    """Return the backend to use; skip or fail the running test where nothing can be run."""
    from pytest_torchscript.backends.neuron_plan import EMULATE, FAIL, RUN

    backend, plan = plan_of(config)
    if plan.action == FAIL:
        pytest.fail(plan.message, pytrace=False)
    if plan.action not in (RUN, EMULATE):
        pytest.skip(plan.reason)
    return backend


def mode_text(config: pytest.Config) -> str:
    """Return what header and summary say about Neuron; empty where a run has nothing to do with it."""
    settings = run_of(config).settings
    if settings.neuron == "auto" and not any(backend in BACKENDS for backend in settings.backends):
        return ""
    plan = plan_of(config)[1]
    return f"{settings.neuron}, {plan.reason}"


def take_cores(config: pytest.Config) -> str:
    """Give a worker of xdist Neuron cores of its own, before any runtime starts; return what was done.

    On the controller nothing is taken; OptionError where there are more workers than cores.
    """
    from pytest_torchscript.backends.neuron_cores import assign_cores

    workerinput = getattr(config, "workerinput", None)
    worker = workerinput["workerid"] if workerinput else None
    workers = workerinput["workercount"] if workerinput else len(config.getoption("tx", default=None) or ())
    assignment = assign_cores(worker, workers)
    os.environ.update(assignment.environment)
    return assignment.note


def check_cores(config: pytest.Config) -> None:
    """Refuse more workers than there are cores, in a run that uses a device. Raises UsageError."""
    if not uses_device(config):
        return
    try:
        take_cores(config)
    except Error as error:
        raise pytest.UsageError(str(error)) from None


def uses_device(config: pytest.Config) -> bool:
    """Whether a run was asked for a Neuron backend."""
    settings = run_of(config).settings
    return settings.neuron in ("auto", "require") and any(backend in BACKENDS for backend in settings.backends)
