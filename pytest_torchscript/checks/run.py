"""Carry out one check, or all: time it, lay out its message, and turn it into a piece of the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pytest_torchscript.checks.determinism import unsteady
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import Error, first_line, unknown, with_hint
from pytest_torchscript.results import (
    ERROR,
    FAILED,
    SKIPPED,
    CheckResult,
    ExportResult,
    ModelResult,
    Signature,
    merge_models,
)
from pytest_torchscript.settings import Settings, make_settings

if TYPE_CHECKING:
    from torch import nn

    from pytest_torchscript.inputs.declare import Inputs
    from pytest_torchscript.lab.lab import Lab

#: Every check in the order of the suite, by the module that holds ``check_<name>``.
_HOMES = {
    "trace": "trace",
    "determinism": "determinism",
    "outputs": "outputs",
    "axis": "axis",
    "anchors": "anchors",
    "joint": "joint",
    "values": "values",
    "sensitivity": "sensitivity",
    "padding": "padding",
    "save_load": "save_load",
    "freeze": "freeze",
    "tied_weights": "tied_weights",
    "hidden_states": "extra_outputs",
    "attentions": "extra_outputs",
    "speed": "speed",
    "generation": "generation",
    "neuron": "neuron",
}
CHECKS = tuple(_HOMES)
#: Carried out on request only.
ON_REQUEST = ("speed",)
#: Tasks whose models generate; with a cache they are stepped by their caller.
_GENERATING = ("causal-lm", "seq2seq-lm")
#: Need no artifact, or ask for it themselves.
_FIRST = ("trace", "determinism")
#: Export by themselves, and tell why they cannot.
_OWN_ARTIFACT = ("neuron", "generation")
#: Mean something without weights.
_SHAPES = ("trace", "axis", "joint")
#: Ask about other exports than the one at hand.
_OWN_EXPORTS = ("anchors", "hidden_states", "attentions")


@quiet()
def run_check(lab: Lab, check: str, axis: str | None = None) -> ModelResult:
    """Carry out one check and return its piece of the report: one export with one check.

    Never raises for what the model or the backend does: that is an outcome.
    """
    start = time.perf_counter()
    name = f"{check}[{axis}]" if axis is not None else check
    try:
        finding = _obstacle(lab, check, axis) or _check_function(check)(*([lab] if axis is None else [lab, axis]))
    except Error as error:
        finding = Finding(ERROR, error.message, error.evidence, error.hint or "see the message above")
    except Exception as error:  # a fault of ours or of the model's Python code must not look like a pass
        finding = Finding(
            ERROR,
            f"{name} could not be carried out",
            [first_line(error), *_origin(error)],
            "run test_trace and test_determinism first",
        )
    finally:
        lab.bench.judge.free()
    from pytest_torchscript.checks.device import labelled

    return _piece(lab, name, labelled(lab.backend, finding), time.perf_counter() - start)


def _check_function(check: str) -> Callable[..., Finding]:
    import importlib

    home = importlib.import_module(f"pytest_torchscript.checks.{_HOMES[check]}")
    function: Callable[..., Finding] = getattr(home, f"check_{check}")
    return function


def _obstacle(lab: Lab, check: str, axis: str | None = None) -> Finding | None:
    """Return why a check cannot say anything here: another check's failure is told once, there."""
    from pytest_torchscript.checks.device import device_obstacle

    if lab.subject.meta:
        return _meta_obstacle(lab, check)
    if check in _OWN_EXPORTS and lab.settings.artifact is not None:
        return Finding.skipped("the artifact was made elsewhere: nothing else is exported")
    obstacle = device_obstacle(lab, check, axis)
    if obstacle is not None:
        return obstacle
    if check in _FIRST:
        return None
    if lab.subject.steadiness.fault:
        return Finding.skipped(unsteady(lab.subject.steadiness))
    if check in _OWN_ARTIFACT:
        return None
    try:
        lab.export.artifact  # noqa: B018
    except Exception as error:
        return Finding.skipped(f"no artifact, see test_trace: {first_line(error)}")
    return None


def _meta_obstacle(lab: Lab, check: str) -> Finding | None:
    """Return why a model without weights cannot answer: the question needs values, or the model reads some itself."""
    if check not in _SHAPES:
        return Finding.skipped("needs values; weights=meta holds none")
    try:
        lab.export.artifact  # noqa: B018
    except Exception as error:
        return Finding.skipped(f"cannot be traced without weights: {first_line(error)}")
    return None


def _origin(error: BaseException) -> list[str]:
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    return [f"at {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames[-1:]]


def _piece(lab: Lab, name: str, finding: Finding, seconds: float) -> ModelResult:
    export = ExportResult(lab.backend.name, signature=finding.signature or Signature())
    export.checks.append(CheckResult(name, finding.outcome, round(seconds, 3), message(lab, finding)))
    export.axes = [*([finding.axis] if finding.axis else []), *finding.axes]
    export.anchors = [dict(lab.sizes)] if lab.export.made is not None else []
    export.anchor_findings = list(finding.anchor_findings)
    export.values = finding.values or export.values
    export.padding = finding.padding or export.padding
    export.device = finding.device
    blueprint = lab.subject.loaded.blueprint
    return ModelResult(
        model=lab.label,
        class_name=lab.subject.loaded.class_name,
        task=blueprint.task,
        weights=blueprint.weights,
        parameters=lab.subject.loaded.parameters,
        exports=[export],
        notes=[*lab.subject.loaded.notes, *finding.notes],
        inputs_found=lab.spec.found,
    )


def message(lab: Lab, finding: Finding) -> str:
    """Lay a finding out: who and what, evidence, one hint."""
    if finding.outcome not in (FAILED, ERROR):
        return finding.headline
    return with_hint(f"{lab.prefix}: {finding.headline}", finding.hint, finding.evidence)


def checks_for(settings: Settings, task: str, backend: str) -> tuple[str, ...]:
    """Return the checks that mean something for a model: all, less those on request and those of other tasks or devices."""
    left_out = set() if settings.speed else set(ON_REQUEST)
    if not task.startswith(_GENERATING):
        left_out.add("generation")
    if not backend.startswith("neuron") and settings.neuron not in ("require", "compile", "emulate"):
        left_out.add("neuron")
    return tuple(check for check in CHECKS if check not in left_out)


def run_all(lab: Lab, *, checks: tuple[str, ...] | None = None) -> ModelResult:
    """Carry out every check of a lab, one after the other."""
    wanted = checks or checks_for(lab.settings, lab.subject.loaded.blueprint.task, lab.backend.name)
    pieces = []
    for check in wanted:
        for axis in lab.spec.axes if check == "axis" else (None,):
            pieces.append(run_check(lab, check, axis))
    return merge_models(pieces)[0]


def check(
    model: str | nn.Module | Callable[..., Any],
    *,
    inputs: Inputs | None = None,
    axes: Any = None,
    name: str | None = None,
    checks: str | Sequence[str] | None = None,
    **settings: Any,
) -> ModelResult:
    """Carry out every check on a model and return what was found; nothing is raised for a model that is wrong.

    ``model`` is a module, a function or a reference; ``inputs`` are TensorSpecs or example tensors, by name, in a tuple, or
    one alone, nested and with constants beside them; ``axes`` maps axis names to an Axis, to the size or sizes they are
    fixed at, or to text such as ``"1:512"``; ``checks`` names some checks only; the other keywords are those of the marker:
    the options of the command line by name (weights, task, anchor, rtol, atol …).

    Raises ModelError, InputError or OptionError where there is nothing to check: see `ModelResult.passed` for the rest.
    """
    from pytest_torchscript.backends.registry import check_options
    from pytest_torchscript.lab.plan import check_names, plan_case

    chosen, wanted = make_settings(axes=axes, **settings), _known(checks)
    check_options(chosen)
    plan = plan_case(model, chosen, inputs=inputs, name=name, origin="the inputs given to check()")
    check_names([plan], chosen)
    labs: list[Lab] = []
    for backend in chosen.backends:
        labs.append(plan.load(backend, beside=labs[0] if labs else None))
    return merge_models(run_all(lab, checks=wanted) for lab in labs)[0]


def _known(checks: str | Sequence[str] | None) -> tuple[str, ...] | None:
    wanted = (checks,) if isinstance(checks, str) else tuple(checks or ())
    for name in wanted:
        if name not in CHECKS:
            raise unknown("check", name, CHECKS, listed="checks are")
    return wanted or None


__all__ = ["CHECKS", "ON_REQUEST", "SKIPPED", "check", "make_settings", "run_all", "run_check"]
