"""What stops everything before a check can be asked: told as an error of ours, whatever was raised."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pytest_torchscript.backends.base import FAIL, Backend
from pytest_torchscript.backends.registry import make_backend
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import BackendError, Error, MachineFailure, ModelError, passes_through
from pytest_torchscript.lab.plan import ModelPlan
from pytest_torchscript.tracing.words import raised_at, words_of

Made = TypeVar("Made")


def or_error(make: Callable[[], Made], label: str) -> Made | Error:
    """Return what is made, or why it could not be: nobody must fall over a model's code, or over a fault of ours."""
    with quiet():
        try:
            return make()
        except Error as error:
            return error
        except MachineFailure as failed:
            return failed.error
        except BaseException as error:
            if passes_through(error):
                raise
            first, *evidence = words_of(error)
            hint = "see the line above" if raised_at(error) else "a fault of pytest-torchscript: please report it"
            return ModelError(f"{label}: {first}", evidence=evidence, hint=hint)


def unless_error(value: Made | Error) -> Made:
    """Return what was made; raise what it could not be made for."""
    if isinstance(value, Error):
        raise value.with_traceback(None)
    return value


def require_backend(plan: ModelPlan, name: str) -> Backend | None:
    """Return a backend that was asked whether it can be used on this machine; none is asked for a file made elsewhere.

    Raises BackendError where it cannot and the run does not go on without it.
    """
    if plan.settings.artifact is not None:
        return None
    backend = make_backend(name, plan.settings)
    readiness = backend.readiness()
    if readiness.action == FAIL:
        raise BackendError(readiness.reason, hint=readiness.hint)
    return backend
