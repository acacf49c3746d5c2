"""After the trace: saved and loaded elsewhere, frozen and optimised, weights that eager ties."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from pytest_torchscript.backends.torchscript import TorchScriptArtifact, quiet
from pytest_torchscript.checks.basic import lines_of, undecidable
from pytest_torchscript.checks.case import Case
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.judge import UNDECIDABLE
from pytest_torchscript.checks.sizes import format_sizes, neighbour
from pytest_torchscript.errors import first_line

#: Runs in a fresh interpreter that imports torch alone: nothing of ours or of transformers may be needed to load.
_LOADER = """
import sys
import torch
path, inputs, outputs = sys.argv[1:]
request = torch.load(inputs)
module = torch.jit.load(path, map_location="cpu")
answers = []
with torch.no_grad():
    for batch in request["batches"]:
        torch.manual_seed(request["seed"])
        answers.append(module(*batch))
alien = sorted({"transformers", "pytest_torchscript", "pytest"} & set(sys.modules))
torch.save({"answers": answers, "alien": alien}, outputs)
"""
#: Seconds given to the fresh process.
LOAD_SECONDS = 600


def check_save_load(case: Case) -> Finding:
    """The saved file, loaded in a fresh process that imports torch alone, answers the same; its size is explained."""
    with tempfile.TemporaryDirectory(prefix="torchscript-") as folder:
        path = Path(folder) / "model.pt"
        try:
            case.artifact.save(path)
        except Exception as error:
            return Finding.failed(
                "it traces, but does not save",
                [first_line(error)],
                "TorchScript cannot write Python code: replace the autograd.Function by torch operations",
            )
        batches = [case.make(sizes, seed=case.settings.seed + 1) for sizes in _two_sizes(case)]
        answers = _run_elsewhere(path, [tuple(batch[name] for name in case.spec) for batch in batches], case)
        if isinstance(answers, str):
            return Finding.failed(
                "it saves, but a process that imports torch alone cannot use it", [answers], "see the exception"
            )
        for batch, answer in zip(batches, answers):
            trial = case.judge.compare(answer, case.eager(batch), batch)
            if trial.fails:
                return Finding.failed(
                    "loaded from its file it answers differently",
                    lines_of(trial),
                    "look for state outside parameters and buffers",
                )
            if trial.status == UNDECIDABLE:
                return undecidable(trial)
        return Finding.passed(_explained(case, path))


def _two_sizes(case: Case) -> Iterator[dict[str, int]]:
    """Yield the anchor and, where the artifact moves, one other size."""
    yield case.sizes
    for name, axis in case.spec.moving.items():
        sizes = {**case.sizes, name: neighbour(axis, case.sizes[name])}
        if sizes != case.sizes and case.try_sizes(sizes).status == "agrees":
            yield sizes
            return


def _run_elsewhere(path: Path, batches: list[tuple[torch.Tensor, ...]], case: Case) -> list[Any] | str:
    """Run the file in another process; a string says why that failed."""
    inputs, outputs = path.with_name("inputs.pt"), path.with_name("outputs.pt")
    torch.save({"batches": batches, "seed": case.settings.seed}, str(inputs))
    command = [sys.executable, "-c", _LOADER, str(path), str(inputs), str(outputs)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LOAD_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer within {LOAD_SECONDS} seconds"
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        killed = f"the process ended with code {done.returncode}"
        return f"{killed}: {said[-1]}" if said else killed
    record = torch.load(str(outputs))
    if record["alien"]:
        return f"loading it imported {', '.join(record['alien'])}"
    return list(record["answers"])


def _explained(case: Case, path: Path) -> str:
    """Say what the file's bytes are: weights, and the rest."""
    size = path.stat().st_size
    weights = sum(
        {
            leaf.data_ptr(): leaf.numel() * leaf.element_size() for leaf in case.loaded.module.state_dict().values()
        }.values()
    )
    return f"{size / 1e6:.1f} MB, of which {weights / 1e6:.1f} MB are weights and buffers of eager"


def check_freeze(case: Case) -> Finding:
    """Still the same after torch.jit.freeze and torch.jit.optimize_for_inference."""
    module = getattr(case.artifact, "module", None)
    if module is None:
        return Finding.skipped(f"{case.backend.name} artifacts are not frozen")
    inputs = case.make(case.sizes, seed=case.settings.seed + 1)
    steps: dict[str, Callable[[Any], Any]] = {
        "torch.jit.freeze": torch.jit.freeze,
        "torch.jit.optimize_for_inference": torch.jit.optimize_for_inference,
    }
    for name, step in steps.items():
        try:
            with quiet(), torch.no_grad():
                module = step(module.eval())
        except Exception as error:
            return Finding.failed(f"{name} raises", [first_line(error)], "ship the module unfrozen")
        for _ in range(3):
            trial = case.judge.trial(TorchScriptArtifact(module), inputs, closeness="optimised")
            if trial.fails:
                return Finding.failed(
                    f"after {name} it answers differently", lines_of(trial), "ship the module unfrozen"
                )
            if trial.status == UNDECIDABLE:
                return undecidable(trial)
    return Finding.passed(f"frozen and optimised, three calls each at {format_sizes(case.sizes)}")


def check_tied_weights(case: Case) -> Finding:
    """Weights that eager ties: the artifact holds each name, and must not be trained."""
    module = getattr(case.artifact, "module", None)
    groups = _tied(case.loaded.module)
    if not groups:
        return Finding.skipped("eager ties no weights")
    if module is None:
        return Finding.skipped(f"{case.backend.name} artifacts hold no named weights")
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
