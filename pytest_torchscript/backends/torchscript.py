"""torch.jit.trace: the backend that needs nothing but torch."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from pytest_torchscript.backends.base import Artifact, Availability, ExportRequest


class TorchScriptArtifact:
    """A ScriptModule, as traced or as loaded. ``trace`` is the module where it is what the tracer recorded of eager."""

    def __init__(self, module: torch.jit.ScriptModule, *, traced: bool = False) -> None:
        self.module = module
        self.trace = module if traced else None

    @property
    def details(self) -> Mapping[str, Any]:
        """TorchScript has no options of its own."""
        return {}

    def __call__(self, *tensors: torch.Tensor) -> Any:
        """Run on tensors in the order they were traced in."""
        with torch.no_grad():
            return self.module(*tensors)

    def save(self, path: Path) -> None:
        """Write the module with torch.jit.save."""
        with quiet():
            torch.jit.save(self.module, str(path))


class TorchScriptBackend:
    """Traces with torch's own checker off: it compares graphs, cries wolf, and runs at the traced size only."""

    name = "torchscript"
    fixed_shapes = False

    def availability(self) -> Availability:
        """It is wherever torch is."""
        return Availability()

    def export(self, request: ExportRequest) -> Artifact:
        """Trace the module on clones of the example."""
        example = tuple(tensor.clone() for tensor in request.example)
        with quiet(), torch.no_grad():
            module = torch.jit.trace(request.module, example, check_trace=False, strict=False)
        return TorchScriptArtifact(module, traced=True)

    def load(self, path: Path, request: ExportRequest) -> Artifact:
        """Load with torch.jit.load onto the CPU."""
        with quiet():
            return TorchScriptArtifact(torch.jit.load(str(path), map_location="cpu"))


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what torch says of tracing itself: its deprecation, and TracerWarnings, which `tracing` records apart."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
