"""What a call can change of its process, beyond the model: noticed by name, and put back, so that it changes nothing that
follows."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch


class State(NamedTuple):
    """One thing that belongs to the process: how it is called, read, and set to what was read."""

    name: str
    read: Callable[[], Any]
    restore: Callable[[Any], None]


def _folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109
    except OSError:  # it was deleted
        return ""


def _go_back(folder: str) -> None:
    if folder:
        with contextlib.suppress(OSError):
            os.chdir(folder)


def _deterministic() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _environment() -> dict[str, str]:
    """Return what a model may have set: torch notes there for its compiler whatever it imports late."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("TORCH", "PYTORCH", "TRITON"))}


def _set_environment(variables: dict[str, str]) -> None:
    for name in _environment().keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)


#: Asked for once: to list them takes longer than to read all their handlers, and that is done at every call.
_SIGNALS = tuple(signal.valid_signals())


def _handlers() -> dict[int, Any]:
    return {number: signal.getsignal(number) for number in _SIGNALS}


def _set_handlers(handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)


def _logging() -> tuple[int, tuple[logging.Handler, ...], int]:
    return logging.root.level, tuple(logging.root.handlers), logging.root.manager.disable


def _set_logging(state: tuple[int, tuple[logging.Handler, ...], int]) -> None:
    logging.root.setLevel(state[0])
    logging.root.handlers[:] = state[1]
    logging.disable(state[2])


STATES = (
    State("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
    State("torch's number of threads", torch.get_num_threads, torch.set_num_threads),
    State("torch's grad mode", torch.is_grad_enabled, lambda on: torch._C._set_grad_enabled(on)),
    State(
        "torch's deterministic algorithms",
        _deterministic,
        lambda state: torch.use_deterministic_algorithms(state[0], warn_only=state[1]),
    ),
    State("the working folder", _folder, _go_back),
    State("handlers of signals", _handlers, _set_handlers),
)
#: What building a model changes as a matter of course: a factory seeds, and libraries change these when they are imported.
OF_BUILDING = (
    State(
        "torch's seed", torch.initial_seed, lambda _seed: None
    ),  # whoever calls forks the generator, and gives it back
    State("environment variables", _environment, _set_environment),
    State("the set-up of logging", _logging, _set_logging),
)


@contextlib.contextmanager
def put_back(
    told: Callable[[str], object] = lambda _name: None, states: tuple[State, ...] = STATES + OF_BUILDING
) -> Iterator[None]:
    """Give the process back as it was; ``told`` hears the name of whatever had changed. Signals are the main thread's."""
    if threading.current_thread() is not threading.main_thread():
        states = tuple(state for state in states if state.read is not _handlers)
    before = [state.read() for state in states]
    try:
        yield
    finally:
        for state, was in zip(states, before):
            if state.read() != was:
                told(state.name)
                state.restore(was)
