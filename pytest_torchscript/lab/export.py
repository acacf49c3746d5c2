"""The export: what a backend made of a subject, at the main anchor and at others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from pytest_torchscript.backends.base import Artifact, Backend, ExportRequest
from pytest_torchscript.common.phases import EXPORT, phase, shapes_of
from pytest_torchscript.errors import MachineFailure
from pytest_torchscript.lab.running import running
from pytest_torchscript.lab.subject import Sizes, Subject, Tensors
from pytest_torchscript.models.calling import Positional
from pytest_torchscript.spec import dim_name


@dataclass
class Export:
    """One subject through one backend. ``made`` is what became of the export at the main anchor, once it was asked for.
    ``recorded``, where exports are called a few times and dropped, returns what torch's tracer records of a copy of the model
    at inputs: a graph and the weights it takes."""

    subject: Subject
    backend: Backend
    made: Artifact | Exception | MachineFailure | None = None
    recorded: Callable[[Positional, Tensors], tuple[Any, Mapping[str, torch.Tensor]]] | None = None

    @property
    def artifact(self) -> Artifact:
        """The export at the main anchor; what torch or a compiler raises passes through.

        A failure is kept like a success: a compiler that takes minutes to refuse is asked once.
        """
        if self.made is None:
            try:
                self.made = self.of(self.subject.inputs)
            except (Exception, MachineFailure) as error:
                self.made = error
        if isinstance(self.made, (Exception, MachineFailure)):
            raise self.made
        return self.made

    @property
    def device(self) -> torch.device:
        """Where artifacts take their inputs: with eager, or on the CPU where the backend runs for itself."""
        traits = self.backend.traits
        return self.subject.eager.device if traits.follows or traits.torchscript else torch.device("cpu")

    def taken(self, inputs: Tensors) -> tuple[torch.Tensor, ...]:
        """Return inputs in their order where artifacts take them; what holds no values stays."""
        tensors = (inputs[name] for name in self.subject.spec)
        return tuple(tensor if tensor.is_meta else tensor.to(self.device) for tensor in tensors)

    @property
    def details(self) -> dict[str, Any]:
        """What the artifact says of itself for the report; anything that can be called is an artifact, and may say nothing."""
        return dict(getattr(self.artifact, "details", None) or {})

    @property
    def notes(self) -> list[str]:
        """What the artifact says of itself for a person."""
        return list(getattr(self.artifact, "notes", None) or ())

    def at(self, sizes: Sizes) -> Artifact:
        """Export at other sizes; the main artifact at its own."""
        if dict(sizes) == self.subject.sizes:
            return self.artifact
        return self.of(self.subject.draw(sizes))

    def of(self, inputs: Tensors) -> Artifact:
        """Export at these inputs. What the backend raises passes through; MachineFailure where it is not there."""
        self.subject.passes.begin("the exporter", inputs, counts=False)
        with phase(EXPORT, f"{self.backend.name} {shapes_of(inputs)}"), running(inputs):
            return self.backend.export(self.request(inputs))

    def request(self, inputs: Tensors) -> ExportRequest:
        """Return what the backend must know to export at these inputs."""
        dims = {name: [dim_name(dim) for dim in spec.dims] for name, spec in self.subject.spec.items()}
        example, names = self.subject.ordered(inputs), tuple(self.subject.spec)
        module: Any = self.subject.eager.copy()
        if not self.subject.meta and self.device != self.subject.eager.device:
            example = tuple(tensor.to(self.device) for tensor in example)
            module = self.subject.eager.copy(share=False).to(self.device)
        axes, eager = self.subject.spec.axes, self.subject.eager
        here = self.recorded if self.device == eager.device else None
        recorded = partial(here, module, inputs) if here is not None else None
        return ExportRequest(module, example, names, dims, axes, lambda: eager(inputs), recorded)
