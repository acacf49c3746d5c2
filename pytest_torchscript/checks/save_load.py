"""The check `save_load`: the saved file, loaded in a fresh process, answers the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import COMPARED, OUTPUT, SAVES
from pytest_torchscript.checks.registry import check
from pytest_torchscript.common.scratch import scratch, stored_bytes
from pytest_torchscript.errors import text_of
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.running import running
from pytest_torchscript.lab.trial import AGREES, UNDECIDABLE, artifact_error

#: Runs behind a backend's loader in a fresh process: nothing of ours or of transformers may be needed to load.
_ASK = """
import sys
import torch
path, inputs, outputs = sys.argv[1:]
request = torch.load(inputs)
loaded = load(path)
answers = []
with torch.no_grad():
    for batch in request["batches"]:
        torch.manual_seed(request["seed"])
        answers.append(loaded(*(tensor.to(DEVICE) for tensor in batch)))
alien = sorted({"transformers", "pytest_torchscript", "pytest"} & set(sys.modules))
torch.save({"answers": answers, "alien": alien}, outputs)
"""
#: Seconds given to the fresh process.
LOAD_SECONDS = 600


@check("save_load", order=100, copies=1.2, needs=(*COMPARED, OUTPUT, SAVES))
def check_save_load(lab: Lab) -> Finding:
    """The saved file, loaded in a fresh process, answers the same.

    That process imports torch alone. What was wrong before is told by other checks: the loaded module is compared with the
    one that was saved. The file's size is explained.
    """
    if lab.bench.changes_itself:
        return Finding.skipped("the export answers otherwise from call to call, see test_outputs")
    weights, _ = _held(lab.subject.loaded.module.state_dict().values())
    with scratch(weights) as folder:
        path = folder / f"model{lab.backend.ending}"
        try:
            with running(lab.subject.inputs):
                lab.export.artifact.save(path)
        except Exception as error:
            python = "TorchScript cannot write Python code: replace the autograd.Function by torch operations"
            hint = python if "Python function" in text_of(error) else "see the exception"
            return Finding.failed("it is exported, but does not save", lab.evidence.error_lines(error), hint)
        batches = [lab.subject.inputs, *(lab.subject.moved(sizes) for sizes in _another_size(lab))]
        try:
            before = [lab.bench.judge.answer(lab.export.artifact, batch) for batch in batches]
        except Exception as error:
            return Finding.skipped(f"the export itself raises, see test_outputs: {artifact_error(error)}")
        answers = _run_elsewhere(path, [tuple(batch[name] for name in lab.spec) for batch in batches], lab)
        if isinstance(answers, str):
            return Finding.failed(
                "it saves, but a process that imports torch alone cannot use it", [answers], "see the exception"
            )
        for batch, answer, expected in zip(batches, answers, before):
            eager = lab.subject.answer if batch is lab.subject.inputs else lab.subject.eager(batch)
            measured = not lab.bench.judge.compare(expected, eager, batch).fails
            trial = lab.bench.judge.compare(answer, expected, batch, measured=measured)
            if trial.fails:
                return Finding.failed(
                    "loaded from its file it answers differently",
                    trial.lines,
                    "look for state outside parameters and buffers",
                )
            if trial.status == UNDECIDABLE:
                return Finding.undecidable(trial)
        return Finding.passed(_explained(lab, path))


def _another_size(lab: Lab) -> Iterator[dict[str, int]]:
    """Yield one size that is not the anchor, where the artifact moves."""
    for name, axis in lab.spec.moving.items():
        sizes = {**lab.sizes, name: axis.neighbour(lab.sizes[name])}
        if sizes != lab.sizes and lab.bench.at(sizes).status == AGREES:
            yield sizes
            return


def _run_elsewhere(path: Path, batches: list[tuple[torch.Tensor, ...]], lab: Lab) -> list[Any] | str:
    """Run the file in another process; a string says why that failed."""
    inputs, outputs = path.with_name("inputs.pt"), path.with_name("outputs.pt")
    torch.save({"batches": batches, "seed": lab.settings.seed}, str(inputs))
    lab.subject.passes.count += len(batches)
    program = f"DEVICE = {str(lab.export.device)!r}\n{lab.backend.loader()}\n{_ASK}"
    wrong = lab.fresh.run(program, str(path), str(inputs), str(outputs), seconds=LOAD_SECONDS)
    if wrong:
        return wrong
    record = torch.load(str(outputs))
    if record["alien"]:
        return f"loading it imported {', '.join(record['alien'])}"
    return list(record["answers"])


def _explained(lab: Lab, path: Path) -> str:
    """Say what the file's bytes are: weights, and the rest. Quantized layers keep some of theirs packed, out of reach."""
    tensors, packed = _held(lab.subject.loaded.module.state_dict().values())
    weights = stored_bytes(tensors)
    size = path.stat().st_size
    beside = f", beside {packed} packed ones that cannot be measured" if packed else ""
    return f"{size / 1e6:.1f} MB, of which {weights / 1e6:.1f} MB are weights and buffers of eager{beside}"


def _held(values: Iterable[Any]) -> tuple[list[torch.Tensor], int]:
    """Return the tensors among the values of a state dict, in tuples too, and how many objects hold more of them."""
    tensors, packed = [], 0
    for value in values:
        if isinstance(value, torch.Tensor):
            tensors.append(value)
        elif isinstance(value, (list, tuple)):
            inner, more = _held(value)
            tensors, packed = tensors + inner, packed + more
        elif isinstance(value, torch.ScriptObject):
            packed += 1
    return tensors, packed
