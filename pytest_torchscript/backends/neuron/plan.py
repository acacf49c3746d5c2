"""What `--torchscript-neuron MODE` makes of what was found: run, compile only, emulate, skip or fail, and why."""

from __future__ import annotations

from pytest_torchscript.backends.base import COMPILE, FAIL, RUN, SKIP, STAND_IN, Readiness
from pytest_torchscript.backends.neuron.detect import NeuronStatus
from pytest_torchscript.backends.neuron.packages import ABSENT
from pytest_torchscript.errors import unknown
from pytest_torchscript.settings import NEURON_MODES

#: Said wherever an emulated result is shown: header, every test's report, summary.
EMULATED = "emulated on CPU (float32, fixed shapes): says nothing about a Neuron device"
#: Laid over every result of a stand-in.
LABEL = "emulated on CPU"
COMPILED_ONLY = "compiled only: nothing was run or compared"


def neuron_plan(mode: str, status: NeuronStatus) -> Readiness:
    """Decide. OptionError for a mode that does not exist."""
    if mode not in NEURON_MODES:
        raise unknown("neuron mode", mode, NEURON_MODES)
    if mode == "off":
        return Readiness(SKIP, "Neuron is switched off (--torchscript-neuron off)", "use --torchscript-neuron auto")
    if mode == "emulate":
        return Readiness(STAND_IN, EMULATED, label=LABEL)
    if mode == "compile":
        return Readiness(COMPILE, COMPILED_ONLY) if status.compiles else _without(SKIP, status, needs_device=False)
    if status.device and status.compiles:
        return Readiness(RUN, f"{status.backend}: {status.device_why}, {status.package_name} {status.version}".rstrip())
    return _without(FAIL if mode == "require" else SKIP, status, needs_device=True)


def _without(action: str, status: NeuronStatus, *, needs_device: bool) -> Readiness:
    problems = [problem for problem in status.problems if needs_device or problem.kind != "device"]
    reason = f"{status.backend} cannot run here: " + "; ".join(problem.what for problem in problems)
    if action == FAIL:
        reason += " (--torchscript-neuron require)"
    hints = [problem.hint for problem in problems if problem.hint]
    if status.compiles:
        hints.append("or use --torchscript-neuron compile")
    return Readiness(action, reason, "; ".join(hints))


def lacks_compiler(status: NeuronStatus) -> bool:
    """Whether a failed compilation may be blamed on a compiler that was not found."""
    return status.compiler == ABSENT
