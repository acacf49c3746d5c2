"""Calls from a thread whose stack is short."""

from __future__ import annotations

import _thread
import contextlib
import contextvars
import signal
import threading
import time
import traceback
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

from pytest_torchscript.common.short_stack import on_short_stack


def depth() -> int:
    return len(traceback.extract_stack())


def below(frames: int, call: Any) -> Any:
    return call() if frames == 0 else below(frames - 1, call)


class Mode(TorchFunctionMode):  # type: ignore[misc, unused-ignore]
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


def test_stack_below_does_not_count() -> None:
    assert below(50, lambda: on_short_stack(depth)) == on_short_stack(depth) < 15 < below(50, depth)


def test_gradients_and_context_variables_are_those_of_the_caller() -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("set")
    for on in (True, False):
        with torch.set_grad_enabled(on):
            assert on_short_stack(lambda: (torch.is_grad_enabled(), variable.get())) == (on, "set")


def test_what_is_raised_comes_through_with_its_frames() -> None:
    def wrong() -> None:
        raise ZeroDivisionError("as it was")

    with pytest.raises(ZeroDivisionError, match="as it was") as caught:
        on_short_stack(wrong)
    assert caught.traceback[-1].name == "wrong"


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(Mode, id="a mode"),
        pytest.param(lambda: torch.autocast("cpu", dtype=torch.bfloat16), id="autocast"),
        pytest.param(torch.inference_mode, id="inference mode"),
    ],
)
def test_what_torch_keeps_for_a_thread_stays_in_force(state: Any) -> None:
    def here() -> threading.Thread:
        return threading.current_thread()

    with state():
        assert on_short_stack(here) is threading.current_thread()
    assert on_short_stack(here) is not threading.current_thread()


def test_an_interrupt_ends_the_call_too() -> None:
    ended = []

    def endless() -> None:
        threading.Timer(0.2, _thread.interrupt_main).start()
        with contextlib.suppress(ZeroDivisionError):
            try:
                until = time.monotonic() + 20
                while time.monotonic() < until:
                    time.sleep(0.01)
            finally:
                ended.append(threading.current_thread())

    # A shell that starts pytest in the background has it ignore interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            on_short_stack(endless)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(ended) == 1
    assert ended[0] is not threading.current_thread()
