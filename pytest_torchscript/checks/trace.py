"""The check `trace`: it can be exported, and the tracer's warnings that matter are told."""

from __future__ import annotations

from pytest_torchscript.backends.base import FAIL, SKIP, Unsupported
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.registry import check
from pytest_torchscript.errors import Error, InputError, first_line
from pytest_torchscript.lab.evidence import cause_lines
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.plain_call import plain_call_notes
from pytest_torchscript.lab.signature import signature_of
from pytest_torchscript.lab.sizes import format_sizes
from pytest_torchscript.tracing.words import places_of, spoken


@check("trace", order=10, needs=())
def check_trace(lab: Lab) -> Finding:
    """It traces, and the tracer's warnings that matter are told.

    Lines where Python read a tensor are listed, and prove nothing by themselves.
    """
    if lab.readiness.action == SKIP:
        return Finding.skipped(lab.readiness.message)
    if lab.readiness.action == FAIL:
        if lab.unready is not None:
            raise lab.unready
        return Finding.failed(lab.readiness.reason, [], lab.readiness.hint)
    try:
        lab.export.artifact  # noqa: B018 - exporting is the question
    except Exception as error:
        return _refused(lab, error)
    plain = lab.backend.traits.torchscript and lab.settings.artifact is None and not lab.subject.meta
    told = plain_call_notes(lab.subject) if plain else []
    told += _read_without_values(lab)
    notes = sorted({f"{note.file}:{note.line}: {note.text.split('. ')[0]}" for note in lab.evidence.warnings})
    lines = [f"{lab.made} at {format_sizes(lab.sizes)}"]
    lines += [f"{len(notes)} lines read a tensor in Python; alone that proves nothing"] if notes else []
    return Finding.passed(
        "\n    ".join([*lines, *notes[:8], *lab.export.notes]),
        signature=signature_of(lab.subject),
        device=lab.export.details or None,
        notes=told,
    )


def _read_without_values(lab: Lab) -> list[str]:
    """Say which lines of a model without weights read a value, and which value they got."""
    lines = list(lab.subject.passes.read)
    if not lines:
        return []
    shown = ", ".join(lines[:4]) + (f" and {len(lines) - 4} more" if len(lines) > 4 else "")
    return [f"weights=meta holds no values: {shown} read one and got that of a mask which hides nothing"]


def _refused(lab: Lab, error: Exception) -> Finding:
    if lab.subject.meta:
        said = error.evidence[:2] if isinstance(error, InputError) else [first_line(error)]
        return Finding.skipped(f"cannot be traced without weights: {' '.join(said)}")
    if isinstance(error, Unsupported):
        return Finding.skipped(str(error))
    if isinstance(error, Error):
        return Finding.failed(error.message, error.evidence, error.hint)
    return Finding.failed(
        f"{lab.backend.name} cannot export it at {format_sizes(lab.sizes)}",
        [*spoken(error), *cause_lines(lab.evidence.unlike.causes), *places_of(error)],
        "see the exception: a Python autograd.Function, a cache object or data-dependent control flow is the usual cause",
    )
