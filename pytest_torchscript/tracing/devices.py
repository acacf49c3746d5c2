"""Which operations of a graph name a device: loaded elsewhere, they make their tensors where the trace was made."""

from __future__ import annotations

from typing import Any

import torch

from pytest_torchscript.results import Cause
from pytest_torchscript.tracing.causes import make_cause
from pytest_torchscript.tracing.graph import Literal, Several, read_graph


def bound_operations(module: Any) -> dict[str, list[Cause]]:
    """Return the lines whose operations take a constant device, by that device's type, each line once in the graph's order.

    ``module`` is traced or scripted. A constant that no operation uses, or only one whose result is dropped, binds nothing.
    """
    found: dict[str, dict[Cause, None]] = {}
    for operation in read_graph(module.inlined_graph).operations:
        if not operation.live:
            continue
        for argument in operation.arguments:
            for item in argument.items if isinstance(argument, Several) else (argument,):
                if isinstance(item, Literal) and isinstance(item.value, torch.device):
                    kind = operation.kind.rpartition("::")[2]
                    cause = make_cause(operation.stack, f"{kind} takes the constant device {item.value}")
                    found.setdefault(item.value.type, {})[cause] = None
    return {device: list(causes) for device, causes in found.items()}
