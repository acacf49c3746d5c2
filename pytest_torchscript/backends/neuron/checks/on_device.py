"""The check `neuron`: compiled, really on the device, and no further from float32 than bf16 arithmetic explains."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pytest_torchscript.backends.base import COMPILE, FAIL, SKIP, STAND_IN, Artifact
from pytest_torchscript.backends.neuron.checks.rows import batched_alone, row_counts
from pytest_torchscript.backends.neuron.common import NeuronBackendBase, neuron_backend
from pytest_torchscript.backends.neuron.generations import GENERATIONS
from pytest_torchscript.backends.neuron.log import ON_DEVICE
from pytest_torchscript.backends.neuron.plan import lacks_compiler
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import STEADY, WEIGHTS
from pytest_torchscript.checks.registry import check
from pytest_torchscript.compare.messages import describe
from pytest_torchscript.compare.policy import Policy
from pytest_torchscript.compare.three_way import (
    FAILS,
    MARGINAL,
    SAMPLES,
    LeafNumbers,
    Sample,
    ThreeWay,
    compare_three_way,
)
from pytest_torchscript.errors import Error, first_line
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.subject import FRESH
from pytest_torchscript.lab.three_way_judge import ThreeWayJudge
from pytest_torchscript.lab.trial import Tensors
from pytest_torchscript.results import PASSED
from pytest_torchscript.settings import Settings

#: Inputs that a loaded artifact is asked with again.
_RELOADED = 3


def _asked_for(settings: Settings, backend: str) -> bool:
    return backend in GENERATIONS or settings.neuron in ("require", "compile", "emulate")


@check("neuron", order=170, needs=(WEIGHTS, STEADY), applies=_asked_for)
def check_neuron(lab: Lab) -> Finding:
    """Compiled, really placed on the device, equal within the calibrated tolerance. Collected for Neuron backends only.

    Looks where the graph went, and compares three ways over ten inputs. The plan may say to do less.
    """
    backend = lab.backend if isinstance(lab.backend, NeuronBackendBase) else neuron_backend(lab.settings)
    if backend.plan.action == SKIP:
        return Finding.skipped(backend.plan.message)
    if backend.plan.action == FAIL:
        return Finding.failed(backend.plan.reason, [], backend.plan.hint)
    try:
        artifact = (
            lab.export.artifact if backend is lab.backend else backend.export(lab.export.request(lab.subject.inputs))
        )
    except Exception as error:
        return _not_exported(backend, error)
    if backend.plan.action == COMPILE:
        return _with_warnings(artifact, f"{_compiled(artifact)}; {backend.plan.reason}")
    finding = _answered(lab, backend, artifact)
    return replace(finding, device={**finding.device, "check": "neuron"}) if finding.device else finding


def _answered(lab: Lab, backend: NeuronBackendBase, artifact: Artifact) -> Finding:
    """Look at what a device, or what stands in for it, answers."""
    finding = _emulated(lab, artifact) if backend.plan.action == STAND_IN else _on_device(lab, backend, artifact)
    if finding.outcome != PASSED or not backend.options.dynamic_batch:
        return finding
    return _with_rows(lab, backend, artifact, finding)


def _with_rows(lab: Lab, backend: NeuronBackendBase, artifact: Artifact, finding: Finding) -> Finding:
    """Add the question of dynamic batching to an artifact that answered right."""
    fault = batched_alone(lab, artifact, share=_policy(lab, backend).row_share)
    if fault is not None:
        hint = "compile without dynamic_batch and pad the batch, or look for an operator on the CPU that keeps the size"
        return Finding.failed(f"{backend.name}: {fault}", [_compiled(artifact)], hint, device=finding.device)
    counts = ", ".join(map(str, row_counts(lab.sizes.get("batch", 1))))
    headline = f"{finding.headline}\n    dynamic batching: {counts} rows answer as each row alone"
    return replace(finding, headline=headline)


def _policy(lab: Lab, backend: NeuronBackendBase) -> Policy:
    """Return the tolerance of this backend, where the lab's own may be another."""
    return Policy(backend.traits.arithmetic, lab.settings.rtol, lab.settings.atol)


def _not_exported(backend: NeuronBackendBase, error: Exception) -> Finding:
    """Tell a failed compilation; in `auto` one without a compiler is a machine that is not set up, and is skipped."""
    if isinstance(error, Error):
        headline, evidence, hint = error.message, list(error.evidence), error.hint
    else:
        headline, evidence, hint = "it does not compile", [first_line(error)], "compile a part of the model alone"
    if backend.mode == "auto" and lacks_compiler(backend.status):
        problem = next(item for item in backend.status.problems if item.kind == "compiler")
        return Finding.skipped(f"{backend.name}: {problem.what}; {headline}\n    hint: {problem.hint}")
    return Finding.failed(f"{backend.name}: {headline}", evidence, hint)


def _compiled(artifact: Artifact) -> str:
    details = artifact.details
    arguments = " ".join(details.get("compiler_args", ()))
    return (
        f"compiled by {details.get('compiler', '')} ({details.get('package', '')}) with {arguments or 'no arguments'}"
    )


def _with_warnings(artifact: Artifact, headline: str, **numbers: Any) -> Finding:
    """Return a pass whose warnings stand in its message, in the summary's notes, and in the record."""
    details = {**artifact.details, **numbers}
    warnings = [f"warning: {warning}" for warning in details.get("warnings", ())]
    if details.get("placement", ON_DEVICE) != ON_DEVICE:
        warnings.insert(0, f"warning: the graph is {details['placement']}")
    notes = [f"{details['backend']}: {warning}" for warning in warnings]
    return Finding.passed("\n    ".join([headline, *warnings]), device=details, notes=notes)


def _emulated(lab: Lab, artifact: Artifact) -> Finding:
    details = dict(artifact.details)
    trial = lab.bench.judge.trial(artifact, lab.subject.draw(lab.sizes, FRESH))
    if trial.fails:
        evidence = describe(trial.comparison) if trial.comparison is not None else [trial.error]
        return Finding.failed(
            f"emulated on CPU: the fixed-shape export {trial.status} at its own shapes",
            evidence,
            "see test_outputs of the backend torchscript: no device is involved here",
            device=details,
        )
    if trial.error or (trial.comparison is not None and not trial.comparison.agrees):
        return Finding.skipped(f"emulated on CPU: {trial.status} {trial.error}".rstrip(), device=details)
    return Finding.passed(details["note"], device=details, notes=[f"{details['backend']}: {details['note']}"])


def _on_device(lab: Lab, backend: NeuronBackendBase, artifact: Artifact) -> Finding:
    try:
        if lab.settings.rtol is not None:
            return _by_tolerance(lab, backend, artifact)
        return _three_way(lab, backend, artifact)
    except Exception as error:
        evidence = [*getattr(error, "evidence", ()), f"device: {artifact.details.get('device', '')}"]
        message = error.message if isinstance(error, Error) else first_line(error)
        hint = getattr(error, "hint", "") or "run this test alone: a runtime that died costs its own test"
        return Finding.failed(f"{backend.name}: {message}", evidence, hint, device=dict(artifact.details))


def _by_tolerance(lab: Lab, backend: NeuronBackendBase, artifact: Artifact) -> Finding:
    """Compare by the user's own rtol and atol, which replace the rule."""
    said = f"rtol={lab.settings.rtol:g} atol={lab.settings.atol:g} as given"
    for inputs in lab.bench.ordinary():
        output = _answer(lab, artifact, inputs)
        trial = lab.bench.judge.compare(output, lab.subject.eager(inputs), inputs)
        if trial.fails:
            hint = "leave both out to have the device judged by what bf16 explains"
            headline = f"{backend.name}: the device does not answer as eager within {said}"
            return Finding.failed(headline, trial.lines, hint, device=dict(artifact.details))
    headline = f"on {artifact.details['device']}: {SAMPLES} inputs within {said}; {_compiled(artifact)}"
    return _with_warnings(artifact, headline, tolerance=said)


def _three_way(lab: Lab, backend: NeuronBackendBase, artifact: Artifact) -> Finding:
    judge = (
        lab.bench.judge
        if isinstance(lab.bench.judge, ThreeWayJudge)
        else ThreeWayJudge(lab.subject.eager, _policy(lab, backend), ordinary=lab.bench.ordinary)
    )
    found = compare_three_way([_sample(lab, artifact, *answers) for answers in judge.answers])
    numbers = {"three_way": _numbers(found), "coarse": judge.coarse.how}
    if found.verdict == FAILS:
        return _mismatch(backend, artifact, found, numbers)
    worst = found.worst
    summary = _summary(worst) if worst is not None else "no outputs"
    if found.verdict == MARGINAL and worst is not None:
        return Finding.skipped(
            f"marginal: {worst.path} is at the edge of what bf16 explains ({worst.reason})",
            device={**artifact.details, **numbers},
        )
    lost = _lost_by_saving(lab, backend, artifact, judge)
    if lost:
        hint = "load it with the library and compiler of the versions in the report"
        details = {**artifact.details, **numbers}
        return Finding.failed(f"{backend.name}: {lost}", [_compiled(artifact)], hint, device=details)
    headline = (
        f"on {artifact.details['device']}: within bf16 over {found.samples} inputs ({summary}); {_compiled(artifact)}"
    )
    return _with_warnings(artifact, headline, **numbers)


def _summary(leaf: LeafNumbers) -> str:
    return (
        f"BC {leaf.bhattacharyya:.3f}, sigma ratio {leaf.sigma_ratio:.2g}, L-infinity ratio {leaf.linf_ratio:.2g}, "
        f"L2 ratio {leaf.l2_ratio:.2g}"
    )


def _lost_by_saving(lab: Lab, backend: NeuronBackendBase, artifact: Artifact, judge: ThreeWayJudge) -> str:
    """Return what is wrong with the artifact once saved and loaded; empty where it is as good as before.

    Not bit for bit: torch fuses an artifact's CPU part once it is warm, and bf16 makes much of a last bit.
    """
    if not isinstance(getattr(artifact, "module", None), torch.jit.ScriptModule):
        return ""
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "artifact.pt"
            artifact.save(path)
            loaded = backend.load(path, lab.export.request(lab.subject.inputs))
            found = compare_three_way([_sample(lab, loaded, *answers) for answers in judge.answers[:_RELOADED]])
    except Exception as error:
        return f"it does not survive saving and loading: {first_line(error)}"
    return "saved and loaded it answers otherwise" if found.verdict == FAILS else ""


def _sample(lab: Lab, artifact: Artifact, inputs: Tensors, reference: Any, coarse: Any) -> Sample:
    return Sample(reference, coarse, _answer(lab, artifact, inputs))


def _answer(lab: Lab, artifact: Artifact, inputs: Tensors) -> Any:
    return lab.bench.judge.answer(artifact, inputs)


def _numbers(found: ThreeWay) -> dict[str, Any]:
    worst = found.worst
    numbers: dict[str, Any] = {"verdict": found.verdict, "samples": found.samples, "problems": list(found.problems)}
    if worst is not None:
        for name in ("path", "bhattacharyya", "sigma_ratio", "linf_ratio", "l2_ratio", "worst", "scale"):
            numbers[name] = getattr(worst, name)
    return numbers


def _mismatch(backend: NeuronBackendBase, artifact: Artifact, found: ThreeWay, numbers: Mapping[str, Any]) -> Finding:
    details = {**artifact.details, **numbers}
    evidence, hint = list(found.problems), "compare the order of inputs and the padding with eager's"
    for leaf in found.leaves:
        if leaf.reason:
            evidence.append(
                f"{leaf.path}: max |device - float32| = {leaf.worst:.3g} (scale {leaf.scale:.3g}): {leaf.reason}"
            )
    evidence = evidence[:5]
    if found.like_precision:
        evidence.append("it looks like precision: small, without direction, spread over the output; try, in this order")
        rungs = _rungs(backend.generation.ladder, details.get("compiler_args", ()))
        evidence.extend(f"  {rung}" for rung in rungs or ["(the most precise arguments are in use)"])
        hint = "give the next compiler arguments of the list (compiler_args among the neuron options)"
    else:
        evidence.append("it does not look like precision: other compiler arguments will hardly help")
    evidence.append(_compiled(artifact))
    return Finding.failed(f"{backend.name}: the device does not answer as eager", evidence, hint, device=details)


def _rungs(ladder: tuple[str, ...], arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Return the rungs of the ladder above the arguments in use."""
    given = " ".join(arguments)
    used = [index for index, rung in enumerate(ladder) if rung in given]
    return ladder[max(used) + 1 :] if used else ladder
