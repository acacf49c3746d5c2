"""The contract of a backend: export a module, run what came out, save it and load it again.

The module handed to `Backend.export` is positional and returns a flat tuple of tensors (models/calling.py): what a
backend needs to know of calling forms, dicts and caches is nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn


@dataclass(frozen=True)
class Availability:
    """Whether a backend can be used here, and whether what it runs may be compared with eager."""

    usable: bool = True
    compares: bool = True
    reason: str = ""


@dataclass(frozen=True)
class ExportRequest:
    """What to export: a positional module, an example, and how the sizes and names of its inputs are called.

    ``dims`` holds for each input its dims by axis name, so that a fixed-shape artifact can name the axis it refuses.
    """

    module: nn.Module
    example: tuple[torch.Tensor, ...]
    names: tuple[str, ...]
    dims: Mapping[str, Sequence[str | int]] = field(default_factory=dict)


class Artifact(Protocol):
    """What a backend made. Calling it with positional tensors returns a nested output of tensors."""

    @property
    def details(self) -> Mapping[str, Any]:
        """Facts for the report: compiler options, versions, share of the graph on the device."""

    def __call__(self, *tensors: torch.Tensor) -> Any:
        """Run on tensors in the order of the request's names."""

    def save(self, path: Path) -> None:
        """Write the artifact to one file."""


class Backend(Protocol):
    """One way to export and run. Backends are stateless: what differs between runs is in the request."""

    @property
    def name(self) -> str:
        """The name users give it."""

    @property
    def fixed_shapes(self) -> bool:
        """Whether artifacts run at the exported shapes only."""

    def availability(self) -> Availability:
        """Say whether this machine can export, and whether results may be compared."""

    def export(self, request: ExportRequest) -> Artifact:
        """Export; the backend's own exceptions pass through unchanged."""

    def load(self, path: Path, request: ExportRequest) -> Artifact:
        """Load what `Artifact.save` wrote; the request tells names and dims."""
