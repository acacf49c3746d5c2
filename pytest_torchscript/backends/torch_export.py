"""torch.export: a graph with guards that are asserted at every call, so that it answers as eager does or raises.

Every axis goes in as ``Dim.AUTO``, which refuses nothing: named dims refuse a whole model over one corner of one axis. What
was specialised all the same is read from the inputs of the graph.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from pytest_torchscript.backends.base import SKIP, Artifact, Backend, ExportRequest, Readiness, Refused, Traits
from pytest_torchscript.common.silence import mute
from pytest_torchscript.errors import first_line

#: What a fresh process needs to use a file of torch.export.save.
LOADER = """
import torch

def load(path):
    return torch.export.load(path).module()
"""
#: A dim of an input, as a guard writes it.
_DIM = re.compile(r"\b(\w+)\.size\(\)\[(\d+)\]")


class ExportedArtifact(Artifact):
    """An ExportedProgram, called through its module. ``frozen`` holds the size of every axis that was specialised."""

    def __init__(self, program: Any, request: ExportRequest) -> None:
        self.program = program
        self.request = request
        self.frozen = specialised_axes(program, request)
        self.details = {"specialised": self.frozen, "ranges": ranges_of(program, request)}
        self._run = program.module()
        self._names = dict(zip(program.graph_signature.user_inputs, request.names))

    @cached_property
    def notes(self) -> Sequence[str]:  # type: ignore[override]
        """What was specialised, and what ``strict=True`` would have made of it: another export, made when this is read."""
        if not self.frozen:
            return ()
        listed = ", ".join(f"{axis}={size}" for axis, size in self.frozen.items())
        return (f"torch.export specialised {listed}{_otherwise(self.request, self.frozen)}",)

    def __call__(self, *tensors: torch.Tensor) -> Any:
        """Run on tensors in the order of the request. `Refused` names the axis of the guard that does not hold."""
        try:
            with torch.no_grad():
                return self._run(*tensors)
        except AssertionError as error:
            raise Refused(_DIM.sub(self._named, str(error).partition("\n")[0])) from error

    def save(self, path: Path) -> None:
        """Write the program with torch.export.save."""
        with mute():
            torch.export.save(self.program, path)

    def _named(self, dim: re.Match[str]) -> str:
        """Return a dim of a guard by the names of its input and axis: ``time of signal``."""
        name, index = str(self._names.get(dim.group(1), dim.group(1))), int(dim.group(2))
        dims = self.request.dims.get(name, ())
        return f"{dims[index]} of {name}" if index < len(dims) else dim.group()


class TorchExportBackend(Backend):
    """Exports with ``strict=False``, as torch.export does by itself; what ``strict=True`` would do is a note."""

    name = "torch_export"
    traits = Traits(saves=True, follows=True)
    ending = ".pt2"

    def readiness(self) -> Readiness:
        """Dims that are found out by themselves came with torch 2.5."""
        if hasattr(getattr(getattr(torch, "export", None), "Dim", None), "AUTO"):
            return Readiness()
        return Readiness(
            SKIP, f"torch.export of torch {torch.__version__} has no Dim.AUTO", "install torch 2.5 or later"
        )

    def export(self, request: ExportRequest) -> ExportedArtifact:
        """Export on clones of the example. What torch.export raises passes through."""
        return ExportedArtifact(exported_program(request, strict=False), request)

    def loader(self) -> str:
        """Load with torch alone."""
        return LOADER


def exported_program(request: ExportRequest, *, strict: bool) -> Any:
    """Export on clones of the example, with every axis free; what torch.export raises passes through."""
    free: Any = torch.export.Dim.AUTO
    dims = [
        {i: free for i, dim in enumerate(request.dims.get(name, ())) if isinstance(dim, str)} for name in request.names
    ]
    with mute(), torch.no_grad():
        return torch.export.export(request.module, request.clones(), dynamic_shapes=request.placed(dims), strict=strict)


def _inputs(program: Any, request: ExportRequest) -> Iterator[tuple[str, int, str, Any]]:
    """Yield input, position, axis and size of every dim that belongs to an axis: a size is an int where it is fixed."""
    placeholders = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    for placeholder, name in zip(program.graph_signature.user_inputs, request.names):
        value = placeholders.get(placeholder)
        for position, dim in enumerate(request.dims.get(name, ())):
            if value is not None and isinstance(dim, str):
                yield name, position, dim, value.shape[position]


def specialised_axes(program: Any, request: ExportRequest) -> dict[str, int]:
    """Return the axes that the graph takes at one size alone."""
    return {axis: int(size) for _, _, axis, size in _inputs(program, request) if str(size).isdigit()}


def ranges_of(program: Any, request: ExportRequest) -> dict[str, str]:
    """Return what the graph says of the other axes, in torch's words: ``VR[2, 37]``."""
    bounds = {str(symbol): str(bound) for symbol, bound in program.range_constraints.items()}
    return {axis: bounds[str(size)] for _, _, axis, size in _inputs(program, request) if str(size) in bounds}


def _otherwise(request: ExportRequest, frozen: dict[str, int]) -> str:
    """Say what ``strict=True`` makes of the same axes: it keeps some sizes symbolic that ``strict=False`` does not."""
    try:
        program = exported_program(request, strict=True)
    except Exception as error:
        return f"; with strict=True it raises {first_line(error)}"
    kept = [axis for axis in frozen if axis not in specialised_axes(program, request)]
    return f"; with strict=True {', '.join(kept)} would move" if kept else "; strict=True does the same"
