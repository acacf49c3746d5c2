"""The check `freeze`: freezing and optimising for inference change nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import COMPARED, OUTPUT, TORCHSCRIPT
from pytest_torchscript.checks.registry import check
from pytest_torchscript.common.scratch import scratch
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.lab.evidence import cause_lines
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.running import running
from pytest_torchscript.lab.sizes import format_sizes
from pytest_torchscript.lab.trial import DIFFERS, UNDECIDABLE, artifact_error
from pytest_torchscript.tracing.words import spoken


@check("freeze", order=110, copies=2.5, needs=(*COMPARED, OUTPUT, TORCHSCRIPT))
def check_freeze(lab: Lab) -> Finding:
    """Freezing and optimising for inference change nothing.

    By torch.jit.freeze, then torch.jit.optimize_for_inference; three calls each. What was wrong before is told by other
    checks: the frozen module is compared with the unfrozen one.
    """
    module = getattr(lab.export.artifact, "module", None)
    if module is None:
        return Finding.skipped(f"{lab.backend.name} artifacts are not frozen")
    inputs = lab.subject.inputs
    if lab.bench.changes_itself:
        return Finding.skipped("the export answers otherwise from call to call, see test_outputs")
    try:
        expected = lab.bench.judge.answer(lab.export.artifact, inputs)
    except Exception as error:
        return Finding.skipped(f"the export itself raises, see test_outputs: {artifact_error(error)}")
    measured = not lab.bench.at(lab.sizes).fails
    steps: dict[str, Callable[[Any], Any]] = {
        "torch.jit.freeze": torch.jit.freeze,
        "torch.jit.optimize_for_inference": torch.jit.optimize_for_inference,
    }
    module = _loaded(module)
    for name, step in steps.items():
        try:
            with quiet(), torch.no_grad(), running(inputs):
                module = step(module.eval())
        except Exception as error:
            causes = cause_lines(lab.evidence.explain_change(step))
            return Finding.failed(f"{name} raises", [*spoken(error), *causes], "ship the module unfrozen")
        for _ in range(3):
            trial = lab.bench.judge.against(expected, module, inputs, closeness="optimised", measured=measured)
            if trial.fails:
                verb = "answers differently" if trial.status == DIFFERS else "raises"
                causes = cause_lines(lab.evidence.explain_change(step))
                return Finding.failed(f"after {name} it {verb}", [*trial.lines, *causes], "ship the module unfrozen")
            if trial.status == UNDECIDABLE:
                return Finding.undecidable(trial)
    return Finding.passed(f"frozen and optimised, three calls each at {format_sizes(lab.sizes)}")


def _loaded(module: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
    """Return a module that was saved and loaded, or itself where it does not save.

    torch keeps the code of what was traced as long as the process runs, and freezing writes the weights into the code; what
    was loaded has a compilation unit of its own, which goes with it.
    """
    try:
        with quiet(), scratch(module.state_dict().values()) as folder:
            path = str(folder / "model.pt")
            torch.jit.save(module, path)
            loaded: torch.jit.ScriptModule = torch.jit.load(path)
    except Exception:  # the check save_load tells of it
        return module
    return loaded
