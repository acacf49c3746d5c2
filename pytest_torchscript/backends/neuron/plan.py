"""What `--torchscript-neuron MODE` makes of what was found: run, compile only, emulate, skip or fail, and why."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_torchscript.backends.neuron.detect import NeuronStatus
from pytest_torchscript.backends.neuron.packages import ABSENT
from pytest_torchscript.errors import BackendError, unknown, with_hint
from pytest_torchscript.settings import NEURON_MODES

RUN, COMPILE, EMULATE, SKIP, FAIL = "run", "compile", "stand-in", "skip", "fail"

#: Said wherever an emulated result is shown: header, every test's report, summary.
EMULATED = "emulated on CPU (float32, fixed shapes): says nothing about a Neuron device"
COMPILED_ONLY = "compiled only: nothing was run or compared"


@dataclass(frozen=True)
class Plan:
    """What to do with the Neuron tests of a run. ``reason`` is never empty; ``hint`` says how to get it."""

    action: str
    reason: str
    hint: str = ""

    @property
    def compares(self) -> bool:
        """Whether outputs may be compared at all; emulated ones are, under that name."""
        return self.action in (RUN, EMULATE)

    @property
    def message(self) -> str:
        """Reason and hint, laid out as every message of the package is."""
        return with_hint(self.reason, self.hint)

    def error(self) -> BackendError:
        """Return the plan's reason as an exception, for a run that required a device."""
        return BackendError(self.reason, hint=self.hint)


def neuron_plan(mode: str, status: NeuronStatus) -> Plan:
    """Decide. OptionError for a mode that does not exist."""
    if mode not in NEURON_MODES:
        raise unknown("neuron mode", mode, NEURON_MODES)
    if mode == "off":
        return Plan(SKIP, "Neuron is switched off (--torchscript-neuron off)", "use --torchscript-neuron auto")
    if mode == "emulate":
        return Plan(EMULATE, EMULATED)
    if mode == "compile":
        return Plan(COMPILE, COMPILED_ONLY) if status.compiles else _without(SKIP, status, needs_device=False)
    if status.device and status.compiles:
        return Plan(RUN, f"{status.backend}: {status.device_why}, {status.package_name} {status.version}".rstrip())
    return _without(FAIL if mode == "require" else SKIP, status, needs_device=True)


def _without(action: str, status: NeuronStatus, *, needs_device: bool) -> Plan:
    problems = [problem for problem in status.problems if needs_device or problem.kind != "device"]
    reason = f"{status.backend} cannot run here: " + "; ".join(problem.what for problem in problems)
    if action == FAIL:
        reason += " (--torchscript-neuron require)"
    hints = [problem.hint for problem in problems if problem.hint]
    if status.compiles:
        hints.append("or use --torchscript-neuron compile")
    return Plan(action, reason, "; ".join(hints))


def lacks_compiler(status: NeuronStatus) -> bool:
    """Whether a failed compilation may be blamed on a compiler that was not found."""
    return status.compiler == ABSENT
