"""Where the time goes: every phase of a run is logged with its seconds, at level DEBUG (``pytest --log-level=DEBUG``)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

#: A reference is resolved, its model built, eager traced, the model exported, both sides compared.
RESOLVE, BUILD, TRACE, EXPORT, COMPARE = "resolve", "build", "trace", "export", "compare"


@dataclass
class Passes:
    """Counts forward passes, those of eager and of exports together. Shared by all that run one model.

    ``heard`` is told before anything runs: who, and with which tensors by name. What ends the process cannot tell it after.
    ``changed`` names what a pass changed of its process: see `global_state`; ``flooded`` says what it prints, logs or warns of
    without end: see `floods`; ``read`` the lines that read a value where
    the model holds none.
    """

    count: int = 0
    heard: Callable[[str, Mapping[str, Any]], None] | None = None
    changed: dict[str, None] = field(default_factory=dict)
    flooded: dict[str, None] = field(default_factory=dict)
    read: dict[str, None] = field(default_factory=dict)

    def begin(self, who: str, inputs: Mapping[str, Any], *, counts: bool = True) -> None:
        """Say who is about to run with which tensors; it counts, but where nothing is called."""
        self.count += counts
        if self.heard is not None:
            self.heard(who, inputs)


def shapes_of(inputs: Mapping[str, Any]) -> str:
    """Write the shapes of tensors: ``x (2, 11, 4)``."""
    return ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in inputs.items())


def seconds_of(call: Callable[[], Any]) -> float:
    """Return how many seconds a call takes; never zero, so that ratios hold."""
    start = time.perf_counter()
    call()
    return max(time.perf_counter() - start, 1e-9)


@contextmanager
def phase(name: str, what: str) -> Iterator[list[str]]:
    """Log how long the body took, in seconds, to the logger ``pytest_torchscript.NAME``; with what it raises, if it does.

    Strings that the body appends to the list stand in the line.
    """
    logger = logging.getLogger(f"pytest_torchscript.{name}")
    said: list[str] = []
    start = time.perf_counter()
    try:
        yield said
    except BaseException as error:
        said.append(f"raised {type(error).__name__}")
        raise
    finally:
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("%s: %s", " ".join([name, what, *said]).rstrip(), f"{time.perf_counter() - start:.3f} s")
