"""A stand-in for a compiled artifact where there is no device: a CPU trace in float32 that takes its own shapes alone.

It proves the export's form (positional order, fixed shapes, padding), and nothing about a device: whatever shows a
result of it calls it emulated.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pytest_torchscript.backends.base import Artifact, ExportRequest
from pytest_torchscript.backends.fixed_shapes import ArtifactShapes
from pytest_torchscript.backends.neuron.plan import EMULATED
from pytest_torchscript.backends.torchscript import TorchScriptBackend, load_torchscript


class EmulatedArtifact(Artifact):
    """A CPU trace behind the shape check of a compiled artifact."""

    def __init__(self, traced: Artifact, shapes: ArtifactShapes, *, backend: str) -> None:
        self.traced = traced
        self.shapes = shapes
        self.details = {"backend": backend, "emulated": True, "compared": True, "note": EMULATED}

    @property
    def module(self) -> Any:
        """The ScriptModule, without the shape check."""
        return getattr(self.traced, "module", None)

    def __call__(self, *tensors: torch.Tensor) -> Any:
        """Run at the exported shapes. InputError names the axis of any other."""
        self.shapes.check(tensors)
        return self.traced(*tensors)

    def save(self, path: Path) -> None:
        """Write the CPU trace."""
        self.traced.save(path)


def emulate(request: ExportRequest, *, backend: str, dynamic_batch: bool = False) -> EmulatedArtifact:
    """Trace a request on the CPU and fix its shapes."""
    shapes = ArtifactShapes.of(request, dynamic_batch=dynamic_batch)
    shapes.check(request.example)
    whole = replace(request, recorded=None)  # it may be saved
    return EmulatedArtifact(TorchScriptBackend().export(whole), shapes, backend=backend)


def load_emulated(path: Path, request: ExportRequest, *, backend: str, dynamic_batch: bool = False) -> EmulatedArtifact:
    """Load what an emulated artifact wrote."""
    shapes = ArtifactShapes.of(request, dynamic_batch=dynamic_batch)
    return EmulatedArtifact(load_torchscript(path), shapes, backend=backend)
