"""torch_neuronx of the XLA generation, for Inf2 and Trn1: the whole graph becomes one operator, or an exception.

The same pip name is another library from 2.13 on (an eager device and torch.compile, no trace): told apart by version.
"""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

import torch

from pytest_torchscript.backends.base import ExportRequest
from pytest_torchscript.backends.neuron.common import NeuronBackendBase
from pytest_torchscript.backends.neuron.detect import native_problem
from pytest_torchscript.backends.neuron.generations import INF2
from pytest_torchscript.backends.neuron.log import ON_DEVICE, Placement
from pytest_torchscript.backends.neuron.packages import is_native
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import BackendError

#: Read when the library is imported; without it a machine with no device cannot say what to compile for.
TARGET_VARIABLE = "NEURON_PLATFORM_TARGET_OVERRIDE"


class NeuronxBackend(NeuronBackendBase):
    """Compiles with torch_neuronx.trace, by keyword alone: further positional arguments are swallowed."""

    name = INF2.name
    generation = INF2

    def _prepare_environment(self) -> None:
        if not self.status.device:
            os.environ.setdefault(TARGET_VARIABLE, self.options.target)

    def _library(self) -> ModuleType:
        library = super()._library()
        version = str(getattr(library, "__version__", ""))
        if is_native(self.generation, version) or not hasattr(library, "trace"):
            problem = native_problem(self.generation, version or "of unknown version")
            raise BackendError(problem.what, hint=problem.hint)
        return library

    def _trace(
        self, library: ModuleType, request: ExportRequest
    ) -> tuple[torch.jit.ScriptModule, Placement, dict[str, Any]]:
        example = tuple(tensor.clone() for tensor in request.example)
        keywords: dict[str, Any] = {"compiler_args": list(self._arguments())}
        if self.options.workdir is not None:
            keywords["compiler_workdir"] = self.options.workdir
        if not self.status.device:
            keywords["cpu_backend"] = True
        with quiet(), torch.no_grad():
            module = library.trace(request.module, example_inputs=example, **keywords)
            if self.options.dynamic_batch:
                module = library.dynamic_batch(module)
        # An operator that XLA does not know raises; no partition is asked for, so all of the graph is one operator.
        return module, Placement(ON_DEVICE), {}

    def _arguments(self) -> tuple[str, ...]:
        arguments = super()._arguments()
        if self.status.device or "--target" in {argument.split("=")[0] for argument in arguments}:
            return arguments
        return (*arguments, "--target", os.environ.get(TARGET_VARIABLE, self.options.target))
