"""The check `device`: whether the file runs on another device than it was traced on."""

from __future__ import annotations

from dataclasses import replace

import torch

from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import ARTIFACT, READY, TORCHSCRIPT
from pytest_torchscript.checks.registry import check
from pytest_torchscript.common.devices import let_go, there
from pytest_torchscript.common.scratch import scratch
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import first_line
from pytest_torchscript.lab.evidence import cause_lines
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.trial import AGREES, artifact_error
from pytest_torchscript.results import BOUND, PORTABLE, Portability
from pytest_torchscript.tracing.devices import bound_operations


@check("device", order=115, needs=(READY, ARTIFACT, TORCHSCRIPT))
def check_device(lab: Lab) -> Finding:
    """No operation of the graph names a device, so that the file runs where it is loaded.

    It fails only where `--torchscript-map-location` names a device of another type than the one traced on: everything works
    on the machine that made the trace. Measured on a GPU: of 15 architectures this told the 13 that raise there from the rest.
    Where this machine has another device, the file is loaded and run there as well.
    """
    module = getattr(lab.export.artifact, "module", None)
    if module is None:
        return Finding.skipped(f"{lab.backend.name} artifacts have no graph that is read here")
    traced_on = lab.subject.eager.device.type
    operations = bound_operations(module)
    causes = [cause for found in operations.values() for cause in found]
    elsewhere = _elsewhere(lab, traced_on)
    ran_on = [name for name, wrong in elsewhere.items() if not wrong]
    wrong = [f"on {name} {said}" for name, said in elsewhere.items() if said]
    wanted = lab.settings.map_location
    goes_there = wanted is not None and wanted.partition(":")[0] != traced_on
    ran = f", and it ran on {', '.join(ran_on)}" if ran_on else ""
    if not causes:
        found = Portability(traced_on, PORTABLE, [], ran_on)
        if goes_there and any(
            name.partition(":")[0] == str(wanted).partition(":")[0] for name in elsewhere if elsewhere[name]
        ):
            hint = "a tensor of the model is made or kept on a device of its own: hold it as a buffer"
            bound = replace(found, verdict=BOUND)
            return Finding.failed(
                f"it does not run where it will be loaded, on {wanted}", wrong, hint, portability=bound
            )
        said = f"no operation names a device: traced on {traced_on}, it runs where it is loaded{ran}"
        return Finding.passed("\n    ".join([said, *wrong]), portability=found, notes=wrong)
    found = Portability(traced_on, BOUND, causes, ran_on)
    said = f"bound to {' and '.join(operations)}: {len(causes)} line{'s' if len(causes) > 1 else ''} of the model"
    said += " name the device" if len(causes) > 1 else " names the device"
    if not goes_there:
        return Finding.passed("\n    ".join([said + ran, *cause_lines(causes), *wrong]), portability=found)
    return Finding.failed(
        f"{said}, and it will be loaded on {wanted}{ran}",
        [*cause_lines(causes), *wrong],
        f"trace it on {wanted}, or name no device: a buffer is loaded where the file is, and x.new_zeros() follows its input",
        portability=found,
    )


def _elsewhere(lab: Lab, traced_on: str) -> dict[str, str]:
    """Load the file on the first device of each other type that this machine has, and run it: what is wrong there, by device.

    Nothing where there is none, or where the model holds no weights.
    """
    if lab.subject.meta:
        return {}
    kinds = {name.partition(":")[0]: name for name in reversed(there())}
    return {name: run_on(lab, torch.device(name)) for kind, name in kinds.items() if kind != traced_on}


def run_on(lab: Lab, device: torch.device) -> str:
    """Say what becomes of the file of an export that is loaded on a device; empty where it answers as eager does."""
    inputs = lab.subject.inputs
    try:
        with scratch(lab.subject.loaded.module.state_dict().values()) as folder, quiet():
            path = folder / "model.pt"
            lab.export.artifact.save(path)
            loaded = torch.jit.load(str(path), map_location=device)
    except Exception as error:
        return f"it does not load: {first_line(error)}"
    judge = replace(lab.bench.judge, device=device, calls=3)
    try:
        trial = judge.against(lab.subject.answer, loaded, inputs, closeness="optimised")
    finally:
        del loaded
        judge.free()
        let_go(device)
    if trial.status == AGREES:
        return ""
    if not trial.fails:
        return f"nothing can be told: {'; '.join(trial.lines)}"
    return f"it {'raises ' + artifact_error(trial.raised) if trial.raised else 'answers otherwise: ' + trial.lines[0]}"
