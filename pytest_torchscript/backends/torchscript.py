"""torch.jit.trace: the backend that needs nothing but torch."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import torch

from pytest_torchscript.backends.base import Artifact, Backend, ExportRequest, Traits
from pytest_torchscript.common import jit
from pytest_torchscript.common.silence import quiet


class TorchScriptArtifact(Artifact):
    """A ScriptModule, as traced or as loaded. ``trace`` is the module where it is what the tracer recorded of eager."""

    def __init__(self, module: torch.jit.ScriptModule, *, traced: bool = False) -> None:
        self.module = module
        self.trace = module if traced else None

    def __call__(self, *tensors: torch.Tensor) -> Any:
        """Run on tensors in the order they were traced in."""
        with torch.no_grad():
            return self.module(*tensors)

    def save(self, path: Path) -> None:
        """Write the module with torch.jit.save."""
        with quiet():
            torch.jit.save(self.module, str(path))


class RecordedArtifact(Artifact):
    """What the tracer recorded, called without a module around it. ``optimised`` False: it runs operation by operation, for
    torch's executor rewrites it in its first two calls, which take longer than a dozen others."""

    def __init__(self, graph: Any, weights: Mapping[str, torch.Tensor], *, optimised: bool) -> None:
        self.trace = jit.function_of(graph, weights.values())
        self.optimised = optimised

    def __call__(self, *tensors: torch.Tensor) -> Any:
        """Run on tensors in the order they were traced in."""
        with torch.no_grad(), nullcontext() if self.optimised else jit.unoptimised():
            return self.trace(*tensors)


class TorchScriptBackend(Backend):
    """Traces with torch.jit.trace, without gradients and without its own checker."""

    name = "torchscript"
    traits = Traits(saves=True, torchscript=True)

    def export(self, request: ExportRequest) -> Artifact:
        """Trace the module on clones of the example."""
        with quiet():
            if request.recorded is not None:
                on_cpu = all(tensor.device.type == "cpu" for tensor in request.example)  # elsewhere the executor fuses
                with suppress(Exception):  # a scripted part has to stand in its place
                    return RecordedArtifact(*request.recorded(), optimised=not on_cpu)
            return TorchScriptArtifact(jit.trace(request.module, request.example), traced=True)

    def loader(self) -> str:
        """Load with torch alone."""
        return LOADER


#: What a fresh process needs to use a file of torch.jit.save: torch, and nothing else. It may be told a DEVICE.
LOADER = """
import torch

def load(path):
    return torch.jit.load(path, map_location=globals().get("DEVICE", "cpu"))
"""


def load_torchscript(path: Path, device: torch.device | str = "cpu") -> TorchScriptArtifact:
    """Load a file of torch.jit.save onto a device."""
    with quiet():
        return TorchScriptArtifact(torch.jit.load(str(path), map_location=device))
