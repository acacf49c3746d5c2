"""The check `tied_weights`: what became of weights that eager ties."""

from __future__ import annotations

import torch

from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.registry import check
from pytest_torchscript.lab.lab import Lab


@check("tied_weights", order=120)
def check_tied_weights(lab: Lab) -> Finding:
    """What became of weights that eager ties.

    The artifact holds each name, and must not be trained.
    """
    module = getattr(lab.export.artifact, "module", None)
    groups = _tied(lab.subject.loaded.module)
    if not groups:
        return Finding.skipped("eager ties no weights")
    if module is None:
        return Finding.skipped(f"{lab.backend.name} artifacts hold no named weights")
    lines, notes = [], []
    held = module.state_dict()  # named_parameters() would list a shared tensor once
    for names in groups:
        kept = [name for name in names if f"model.{name}" in held]
        copies = {held[f"model.{name}"].data_ptr() for name in kept}
        tensors = "one tensor" if len(copies) == 1 else f"{len(copies)} tensors, untied"
        said = (
            f"tied in eager: {' and '.join(names)}; the artifact holds {len(kept)} of {len(names)} names in {tensors}"
        )
        if not kept:
            return Finding.failed(said, ["no name of the group is left"], "trace the model with its head")
        lines.append(said)
        notes.append(
            f"{names[0]} is tied to {', '.join(names[1:])} in eager: do not train the exported module, it would untie them"
        )
    return Finding.passed("\n    ".join([*lines, "do not train the exported module: it would untie them"]), notes=notes)


def _tied(module: torch.nn.Module) -> list[list[str]]:
    """Return the names that share one parameter."""
    groups: dict[int, list[str]] = {}
    for prefix, child in module.named_modules(remove_duplicate=False):
        for name, parameter in child._parameters.items():
            if parameter is not None:
                groups.setdefault(id(parameter), []).append(f"{prefix}.{name}" if prefix else name)
    return [names for names in groups.values() if len(names) > 1]
