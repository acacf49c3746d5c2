"""The one call of torch.jit.trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from pytest_torchscript.versions import library_name


def trace(module: Any, example: tuple[Any, ...], *, strict: bool = False) -> Any:
    """Trace a module or a function on clones of its example, without gradients; what torch raises passes through.

    Of an example that is nested only the tensors at the top are cloned.

    torch's own checker stays off: it compares graphs, cries wolf, and runs at the traced size only. ``strict`` False lets
    dicts among the outputs pass.
    """
    tracer = library_name("torch.jit", "trace", used_for="every trace")
    with torch.no_grad():
        cloned = tuple(value.clone() if isinstance(value, torch.Tensor) else value for value in example)
        return tracer(module, cloned, check_trace=False, strict=strict)


@contextmanager
def unheard() -> Iterator[None]:
    """Let the tracer, where it is at work, record nothing of what runs here."""
    state = library_name("torch._C", "_get_tracing_state", used_for="what is no part of a trace")()
    change = library_name("torch._C", "_set_tracing_state", used_for="what is no part of a trace")
    if state is None:
        yield
        return
    change(None)
    try:
        yield
    finally:
        change(state)


@contextmanager
def unoptimised() -> Iterator[None]:
    """Run scripted code as it stands, operation by operation."""
    with library_name("torch.jit", "optimized_execution", used_for="exports of models without weights")(False):
        yield
