"""The one call of torch.jit.trace."""

from __future__ import annotations

from typing import Any

import torch

from pytest_torchscript.stack import library_name


def trace(module: Any, example: tuple[torch.Tensor, ...], *, strict: bool = False) -> Any:
    """Trace a module or a function on clones of its example, without gradients; what torch raises passes through.

    torch's own checker stays off: it compares graphs, cries wolf, and runs at the traced size only. ``strict`` False lets
    dicts among the outputs pass.
    """
    tracer = library_name("torch.jit", "trace", used_for="every trace")
    with torch.no_grad():
        return tracer(module, tuple(tensor.clone() for tensor in example), check_trace=False, strict=strict)
