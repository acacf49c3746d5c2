"""Running what a backend made: what a machine or a server could not do is told as such, and an exit is an exception."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from pytest_torchscript.backends.base import Spent, Unavailable, Unsupported
from pytest_torchscript.errors import MachineFailure, as_exception, machine_failure, passes_through


@contextmanager
def running(inputs: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """Run an artifact, or do something to it, for what becomes of it.

    Raises MachineFailure, with the shapes of the inputs, where memory ends, a device gives up, or a backend is unavailable,
    cannot carry these inputs or was asked often enough: that is no answer. A ``SystemExit`` and its like become an exception
    of the same name. All others pass through. A model in its calling form does the same by itself.
    """
    try:
        yield
    except (Unavailable, Unsupported, Spent) as error:
        raise MachineFailure(error) from None
    except BaseException as error:
        if passes_through(error):
            raise
        failed = machine_failure(error, inputs)
        if failed is not None:
            raise failed from None
        if isinstance(error, Exception):
            raise
        raise as_exception(error) from None
