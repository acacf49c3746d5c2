"""What an artifact raises is a verdict, unless it tells of the machine or of what is behind the backend."""

from __future__ import annotations

import re

import pytest
import torch

from pytest_torchscript.backends import Refused, Unavailable, Unsupported
from pytest_torchscript.errors import MachineFailure
from pytest_torchscript.lab.running import running

X = {"x": torch.zeros(2, 3)}


@pytest.mark.parametrize("error", [ValueError("no"), Refused("other sizes"), RuntimeError("a shape")])
def test_a_verdict_passes_through(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, running(X):
        raise error
    assert caught.value is error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), r"out of memory, with x of \(2, 3\)"),
        (RuntimeError("CUDA error: device-side assert triggered"), "the device gave up"),
        (Unavailable("no connection"), "no connection"),
        (Unsupported("no kernels for this dtype"), "no kernels for this dtype"),
    ],
)
def test_what_is_no_answer_is_told_as_such(error: Exception, said: str) -> None:
    with pytest.raises(MachineFailure) as caught, running(X):
        raise error
    assert re.search(said, caught.value.error.message)
    assert caught.value.lost is ("CUDA" in str(error))


def test_an_exit_becomes_an_exception_and_an_interrupt_does_not() -> None:
    with pytest.raises(Exception, match="3") as caught, running(X):
        raise SystemExit(3)
    assert type(caught.value).__name__ == "SystemExit"
    with pytest.raises(KeyboardInterrupt), running(X):
        raise KeyboardInterrupt
