"""The check `device`: whether the file runs on another device than it was traced on."""

from __future__ import annotations

from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import ARTIFACT, READY, TORCHSCRIPT
from pytest_torchscript.checks.registry import check
from pytest_torchscript.lab.evidence import cause_lines
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.results import BOUND, PORTABLE, Portability
from pytest_torchscript.tracing.devices import bound_operations


@check("device", order=115, needs=(READY, ARTIFACT, TORCHSCRIPT))
def check_device(lab: Lab) -> Finding:
    """No operation of the graph names a device, so that the file runs where it is loaded.

    It fails only where `--torchscript-map-location` names a device of another type than the one traced on: everything works
    on the machine that made the trace. Measured on a GPU: of 15 architectures this told the 13 that raise there from the rest.
    """
    module = getattr(lab.export.artifact, "module", None)
    if module is None:
        return Finding.skipped(f"{lab.backend.name} artifacts have no graph that is read here")
    traced_on = lab.subject.eager.device.type
    operations = bound_operations(module)
    causes = [cause for found in operations.values() for cause in found]
    if not causes:
        return Finding.passed(
            f"no operation names a device: traced on {traced_on}, it runs where it is loaded",
            portability=Portability(traced_on, PORTABLE),
        )
    found = Portability(traced_on, BOUND, causes)
    said = f"bound to {' and '.join(operations)}: {len(causes)} line{'s' if len(causes) > 1 else ''} of the model"
    said += " name the device" if len(causes) > 1 else " names the device"
    wanted = lab.settings.map_location
    if wanted is None or wanted.partition(":")[0] == traced_on:
        return Finding.passed("\n    ".join([said, *cause_lines(causes)]), portability=found)
    return Finding.failed(
        f"{said}, and it will be loaded on {wanted}",
        cause_lines(causes),
        f"trace it on {wanted}, or name no device: a buffer is loaded where the file is, and x.new_zeros() follows its input",
        portability=found,
    )
