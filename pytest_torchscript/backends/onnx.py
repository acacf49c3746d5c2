"""ONNX, run by onnxruntime. The graph keeps no guard of the export, so it answers at sizes that it was not made for.

Axes go in by their names. Where the exporter refuses a name, because it would fix that axis, every axis goes in as
``Dim.AUTO``, so that the others are still judged: the file then says of a fixed size that it is free.
"""

from __future__ import annotations

import inspect
import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pytest_torchscript.backends.base import (
    REORDERED,
    Artifact,
    Backend,
    ExportRequest,
    Options,
    Refused,
    Traits,
    Unsupported,
)
from pytest_torchscript.backends.onnx_format import INPUTS, package, signed, weight_files
from pytest_torchscript.common.silence import mute
from pytest_torchscript.errors import first_line, unknown
from pytest_torchscript.versions import installed_version

DYNAMO, TORCHSCRIPT = EXPORTERS = ("dynamo", "torchscript")
#: Above this the weights stand in a second file beside the first: the format allows 2 GB.
_ONE_FILE = 1_500_000_000

#: What a fresh process needs beside torch: onnxruntime.
LOADER = f"""
import onnxruntime
import torch

def load(path):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    taken = [item.name for item in session.get_inputs()]
    names = session.get_modelmeta().custom_metadata_map.get({INPUTS!r}, " ".join(taken)).split()

    def run(*tensors):
        feed = {{name: tensor.numpy() for name, tensor in zip(names, tensors) if name in taken}}
        return [torch.from_numpy(answer) for answer in session.run(None, feed)]

    return run
"""


@dataclass(frozen=True)
class OnnxOptions(Options):
    """``exporter``: `dynamo`, or `torchscript` for the one of old; by default the first that this torch has."""

    exporter: str = ""
    opset: int | None = None

    def __post_init__(self) -> None:
        if self.exporter and self.exporter not in EXPORTERS:
            raise unknown("onnx option exporter", self.exporter, EXPORTERS)


class OnnxArtifact(Artifact):
    """A session of onnxruntime on the CPU. ``notes`` says where axes could not be exported by their names; ``names`` are what
    the file calls its inputs, where that is not what the request calls them."""

    def __init__(
        self,
        path: Path,
        request: ExportRequest,
        details: Mapping[str, Any],
        refusal: str = "",
        names: Sequence[str] = (),
    ) -> None:
        self.path, self.details = path, details
        self.notes = (f"exported with Dim.AUTO, because by the names of its axes: {refusal}",) if refusal else ()
        self._request = request
        self._names = names or request.names  # what the file calls its inputs
        runtime = package("onnxruntime")
        options, self._quietly = runtime.SessionOptions(), runtime.RunOptions()
        options.log_severity_level = self._quietly.log_severity_level = 4  # what it refuses it also prints in red
        options.intra_op_num_threads = torch.get_num_threads()
        self._session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._taken = {item.name for item in self._session.get_inputs()}

    def __call__(self, *tensors: torch.Tensor) -> list[torch.Tensor]:
        """Run on tensors in the order of the request. `Refused` has onnxruntime's own words, and the axis."""
        named = zip(self._names, tensors)
        feed = {name: tensor.detach().numpy() for name, tensor in named if name in self._taken}
        try:
            return [torch.from_numpy(answer) for answer in self._session.run(None, feed, self._quietly)]
        except Exception as error:
            raise Refused(self._said(" ".join(str(error).split()))) from error

    def _said(self, words: str) -> str:
        """Return onnxruntime's words with the name of the axis that it knows by its place."""
        name = re.search(r"for input: (\S+)", words)
        called = dict(zip(self._names, self._request.names)).get(name.group(1), "") if name else ""
        for place, axis in enumerate(self._request.dims.get(called, ())):
            words = re.sub(rf"\bindex: {place} Got: (\d+) Expected: (\d+)", rf"{axis} is \1, expected \2", words)
        return words

    def save(self, path: Path) -> None:
        """Copy the file, and those of its weights where it has some, which keep their names: the first refers to them."""
        for name in weight_files(self.path):
            shutil.copyfile(self.path.parent / name, path.parent / name)
        shutil.copyfile(self.path, path)


class OnnxBackend(Backend):
    """Exports with torch.onnx.export."""

    name = "onnx"
    ending = ".onnx"
    Options = OnnxOptions
    options: OnnxOptions
    lacks = {"reexports": "another export takes long; check it with {default}"}  # noqa: RUF012 - read only

    @property
    def exporter(self) -> str:
        """The exporter asked for, else the first that this torch has."""
        modern = "dynamic_shapes" in _keywords() and bool(installed_version("onnxscript"))
        return self.options.exporter or (DYNAMO if modern else TORCHSCRIPT)

    @property
    def traits(self) -> Traits:  # type: ignore[override]
        """The exporter of old takes a second, the other one up to a minute."""
        return Traits(arithmetic=REORDERED, reexports=self.exporter == TORCHSCRIPT, saves=True)

    def export(self, request: ExportRequest) -> OnnxArtifact:
        """Export on clones of the example. `Unavailable` where a package is missing; what torch raises passes through."""
        for name in ("onnx", "onnxruntime", "onnxscript")[: 3 if self.exporter == DYNAMO else 2]:
            package(name)
        tensors = [*request.example, *request.module.parameters(), *request.module.buffers()]
        if any(tensor.dtype is torch.bfloat16 for tensor in tensors):
            raise Unsupported("onnxruntime has no bfloat16 on the CPU", hint="export in float32 or float16")
        path, refusal = request.directory / "model.onnx", ""
        with mute(), torch.no_grad():
            if self.exporter == TORCHSCRIPT:
                self._traced(request, path)
            else:
                refusal = self._exported(request, path)
        details = {"exporter": self.exporter, "onnxruntime": installed_version("onnxruntime")}
        return OnnxArtifact(path, request, {**details, "opset": signed(path, request.names)}, refusal)

    def loader(self) -> str:
        """Load with torch and onnxruntime."""
        return LOADER

    def _traced(self, request: ExportRequest, path: Path) -> None:
        keywords: dict[str, Any] = {"dynamo": False} if "dynamo" in _keywords() else {"opset_version": 14}
        if self.options.opset is not None:
            keywords["opset_version"] = self.options.opset
        dynamic = {name: _by_name(dims) for name, dims in request.dims.items()}
        keywords.update(input_names=list(request.names), dynamic_axes=dynamic)
        torch.onnx.export(request.module, request.clones(), str(path), **keywords)

    def _exported(self, request: ExportRequest, path: Path) -> str:
        """Write the file, and return why axes could not go in by name; empty where they did."""
        by_name = [_by_name(request.dims.get(name, ())) for name in request.names]
        refusal = ""
        try:
            program = self._program(request, by_name)
        except Exception as error:
            free: Any = torch.export.Dim.AUTO
            refusal = first_line(error.__cause__ or error)
            program = self._program(request, [dict.fromkeys(dims, free) for dims in by_name])
        size = sum(tensor.numel() * tensor.element_size() for tensor in request.module.state_dict().values())
        program.save(str(path), external_data=size > _ONE_FILE)
        return refusal

    def _program(self, request: ExportRequest, dims: list[dict[int, Any]]) -> Any:
        keywords: dict[str, Any] = {"dynamic_shapes": request.placed(dims), "opset_version": self.options.opset}
        keywords.update(input_names=list(request.names), dynamo=True, verbose=False)
        return torch.onnx.export(request.module, request.clones(), **keywords)


def _keywords() -> Collection[str]:
    return inspect.signature(torch.onnx.export).parameters


def _by_name(dims: Sequence[str | int]) -> dict[int, str]:
    return {place: re.sub(r"\W+", "_", dim) for place, dim in enumerate(dims) if isinstance(dim, str)}
