"""Running code that is not ours: what a machine or a server could not do is told as such, and an exit is an exception."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from pytest_torchscript.backends.base import Unavailable
from pytest_torchscript.errors import (
    DEVICE,
    BackendError,
    MachineFailure,
    as_exception,
    machine_failure,
    passes_through,
)
from pytest_torchscript.tracing.words import words_of


@contextmanager
def running(inputs: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """Run a model or an artifact on inputs, for what it answers.

    Raises MachineFailure, with the shapes of the inputs, where memory ends, a device gives up or a backend is unavailable:
    that is no answer. A ``SystemExit`` and its like become an exception of the same name. All others pass through.
    """
    try:
        yield
    except Unavailable as error:
        raise MachineFailure(error) from None
    except Exception as error:
        failed = machine_failure(error)
        if not failed:
            raise
        raise _told(failed, error, inputs) from None
    except BaseException as error:
        if passes_through(error):
            raise
        raise as_exception(error) from None


def _told(failed: str, error: Exception, inputs: Mapping[str, torch.Tensor]) -> MachineFailure:
    shapes = ", ".join(f"{name} of {tuple(tensor.shape)}" for name, tensor in inputs.items())
    if failed == DEVICE:
        hint = "nothing it says after that counts; CUDA_LAUNCH_BLOCKING=1 names the operation"
        told = BackendError(f"the device gave up, with {shapes}", evidence=words_of(error), hint=hint)
    else:
        hint = "narrow the axis with --torchscript-axis NAME=MIN:MAX, or give the run more memory"
        told = BackendError(f"out of memory, with {shapes}", evidence=words_of(error), hint=hint)
    return MachineFailure(told, lost=failed == DEVICE)
