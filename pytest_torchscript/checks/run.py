"""Carry out one check, or all: time it, lay out its message, and turn it into a piece of the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from pytest_torchscript.checks.answers import FIRST, answer, carried_out, unmet
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import obstacle, of_axis, without_room
from pytest_torchscript.checks.registry import AXIS, Check, check_named, checks_for
from pytest_torchscript.checks.shares import grant_share
from pytest_torchscript.common.devices import let_go
from pytest_torchscript.common.room import forget_peak, peak_memory
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import InputError, MachineFailure, OptionError, clean, with_hint
from pytest_torchscript.models.weights import are_many
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


@quiet()
def run_check(lab: Lab, check: str, axis: str | None = None) -> ModelResult:
    """Carry out one check and return its piece of the report: one export with one check.

    Never raises for what the model or the backend does: that is an outcome.
    """
    start, passes = time.perf_counter(), lab.subject.passes.count
    name = f"{check}[{axis}]" if axis is not None else check
    asked = check_named(check, lab.settings)
    grant_share(lab, asked, axis)

    def found() -> Finding:
        hindered = obstacle(lab, asked.needs, axis) or unmet(lab, check, asked.needs, axis)
        hindered = hindered or without_room(lab, asked.copies, axis)
        if hindered is not None or check in FIRST:
            return hindered or answer(lab, check)
        return asked(*([lab] if axis is None else [lab, axis]))

    try:
        finding = carried_out(lab, name, found)
    finally:
        lab.bench.judge.free()
        many = are_many(lab.subject.loaded.module)
        if many:
            let_go(torch.device("cpu"))
    if finding.outcome in (ERROR, SKIPPED) and finding.axis is None:
        finding = of_axis(lab, axis, finding, finding.headline.partition("\n")[0])
    piece = _piece(lab, name, labelled(lab, finding))
    piece.checks[0].seconds = round(time.perf_counter() - start, 3)
    if many or lab.settings.memory is not None:  # of small models it would tell of torch, and differ in every run
        peak = peak_memory()
        piece.checks[0].peak_memory = peak if forget_peak() else None
    piece.checks[0].passes = lab.subject.passes.count - passes
    return piece


def labelled(lab: Lab, finding: Finding) -> Finding:
    """Lay the backend's label over a finding: what a stand-in answered is called so, in message, summary and record."""
    label, backend = lab.readiness.label, lab.backend.name
    if not label:
        return finding
    headline = finding.headline
    if label not in headline:
        headline = f"{label}: {headline}" if headline else label
    stood_in = {"backend": backend, "emulated": True, "compared": True, "note": lab.readiness.reason}
    note = f"{backend}: {lab.readiness.reason}"
    notes = finding.notes if note in finding.notes else (*finding.notes, note)
    return replace(finding, headline=headline, device=finding.device or stood_in, notes=notes)


def _piece(lab: Lab, name: str, finding: Finding) -> ModelResult:
    export = ExportResult(lab.backend.name, signature=finding.signature or Signature())
    export.checks.append(CheckResult(name, finding.outcome, message=clean(message(lab, finding))))
    export.axes = [*([finding.axis] if finding.axis else []), *finding.axes]
    fed = lab.export.made is not None and not isinstance(lab.export.made, InputError)
    export.anchors = [dict(lab.sizes)] if fed else []
    export.anchor_findings = list(finding.anchor_findings)
    export.values = finding.values or export.values
    export.padding = finding.padding or export.padding
    export.history = finding.history
    export.portability = finding.portability
    export.joint, export.speed = finding.joint, list(finding.speed)
    export.device = finding.device
    blueprint = lab.subject.loaded.blueprint
    return ModelResult(
        model=lab.label,
        class_name=lab.subject.loaded.class_name,
        task=blueprint.task,
        weights=blueprint.weights,
        parameters=lab.subject.loaded.parameters,
        device=lab.subject.loaded.device,
        dtype=lab.subject.loaded.dtype,
        exports=[export],
        notes=[clean(note) for note in (*lab.subject.loaded.notes, *finding.notes)],
        inputs_found=lab.spec.found,
    )


def message(lab: Lab, finding: Finding) -> str:
    """Lay a finding out: who and what, evidence, one hint."""
    if finding.outcome not in (FAILED, ERROR):
        return finding.headline
    return with_hint(f"{lab.prefix}: {finding.headline}", finding.hint, finding.evidence)


@quiet()
def feed(lab: Lab) -> None:
    """Find sizes that eager takes. Raises InputError, in eager's own words, where it takes none of what is drawn.

    Of a model without weights that reads one of them the check `trace` tells: it is skipped.
    """
    try:
        lab.sizes  # noqa: B018 - asks eager
    except MachineFailure as failed:
        told = failed.error
        raise InputError(told.message, evidence=told.evidence, hint=told.hint) from None
    except InputError as refused:
        if not (lab.subject.meta and any("meta" in line.lower() for line in refused.evidence)):
            raise


def run_all(lab: Lab, *, checks: tuple[Check, ...] | None = None) -> ModelResult:
    """Carry out the checks given, one after the other; by default all that mean something."""
    wanted = checks or checks_for(lab.settings, lab.subject.loaded.blueprint.task, lab.backend.name)
    lab.selected = frozenset(check.name for check in wanted)
    feed(lab)
    pieces = []
    for check in wanted:
        for axis in lab.spec.axes if check.over == AXIS else (None,):
            pieces.append(run_check(lab, check.name, axis))
    return merge_models(pieces)[0]


def check(
    model: str | nn.Module | Callable[..., Any],
    inputs: Inputs | None = None,
    *,
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
    from pytest_torchscript.lab.plan import check_names, make_plan

    if not (name is None or isinstance(name, str)):
        raise OptionError(f"name: {name!r} is of type {type(name).__name__}", hint="give what messages call the model")
    if not (checks is None or isinstance(checks, Sequence)):
        raise OptionError(
            f"checks: {checks!r} is of type {type(checks).__name__}", hint="give a list: ['axis', 'values']"
        )
    chosen = make_settings(axes=axes, **settings)
    asked = tuple(check_named(known, chosen) for known in ((checks,) if isinstance(checks, str) else checks or ()))
    check_options(chosen)
    if isinstance(model, str) and inputs is None and (chosen.limited or chosen.isolate == "on"):
        return _check_apart(model, name or model, chosen, asked)
    if chosen.limited:
        limit = "timeout" if chosen.timeout is not None else "memory"
        raise OptionError(
            f"{limit}: a limit is kept from outside of the process that holds a model, and this one was made here",
            hint="give a reference, such as 'package.module:factory', and no inputs beside it",
        )
    plan = make_plan(model, chosen, inputs=inputs, name=name, origin="the inputs given to check()")
    check_names([plan.outline], chosen)
    labs: list[Lab] = []
    for backend in chosen.backends:
        labs.append(plan.load(backend, beside=labs[0] if labs else None))
    return merge_models(run_all(lab, checks=asked) for lab in labs)[0]


def _check_apart(reference: str, label: str, chosen: Settings, asked: tuple[Check, ...]) -> ModelResult:
    """Carry out the checks of a reference in a process of its own."""
    from pytest_torchscript.isolation.model import IsolatedModel, start
    from pytest_torchscript.lab.plan import check_names
    from pytest_torchscript.models.reference import parse_reference

    model = IsolatedModel(label, parse_reference(reference), chosen, process=start(chosen))
    try:
        assert model.process is not None
        outline = model.outline(model.process)
        check_names([outline], chosen)
        pieces = []
        for backend in chosen.backends:
            model.load(backend)
            wanted = asked or checks_for(chosen, outline.task, backend)
            selected = frozenset(known.name for known in wanted)
            for known in wanted:
                for axis in outline.ranges if known.over == AXIS else (None,):
                    pieces.append(model.check(backend, known.name, axis, selected=selected))
        return merge_models(pieces)[0]
    finally:
        model.close()
