"""The eager model and the export as fixtures hand them out: called in any of the ways one calls a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_torchscript.errors import InputError

if TYPE_CHECKING:
    import torch

    from pytest_torchscript.checks import Lab


@dataclass(frozen=True)
class Called:
    """A part of a case that runs on all of its inputs: ``part(*tensors)``, ``part(**tensors)`` or ``part(tensors_by_name)``.

    Every other attribute is that of the part itself: ``save`` of an export, ``passes`` of eager.
    """

    part: Any
    names: tuple[str, ...]
    run: Callable[[Mapping[str, torch.Tensor]], Any]

    def __call__(self, *tensors: Any, **named: torch.Tensor) -> Any:
        """Run once. Raises InputError for inputs that are missing, unknown or too many."""
        first = tensors[0] if len(tensors) == 1 else None
        positional = {} if isinstance(first, Mapping) else dict(zip(self.names, tensors))
        given = {**(first if isinstance(first, Mapping) else positional), **named}
        wrong = [f"{name!r} is missing" for name in self.names if name not in given]
        wrong += [f"{name!r} is unknown" for name in given if name not in self.names]
        wrong += [f"{len(tensors)} are given"] if len(tensors) > len(self.names) else []
        if wrong:
            raise InputError(f"inputs: {', '.join(wrong)}", hint=f"they are, in this order: {', '.join(self.names)}")
        return self.run(given)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked of half-made copies
            raise AttributeError(name)
        return getattr(self.part, name)


def called_eager(case: Lab) -> Called:
    """Return eager as a fixture hands it out."""
    return Called(case.subject.eager, tuple(case.spec), case.subject.eager)


def called_export(case: Lab) -> Called:
    """Return the export as a fixture hands it out."""
    names, artifact = tuple(case.spec), case.export.artifact
    return Called(artifact, names, lambda inputs: artifact(*(inputs[name] for name in names)))
