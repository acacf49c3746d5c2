"""The check `trace`: it can be exported, and the tracer's warnings that matter are told."""

from __future__ import annotations

from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.common.frames import raising_frame
from pytest_torchscript.errors import Error, first_line
from pytest_torchscript.lab.evidence import cause_lines
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.signature import signature_of
from pytest_torchscript.lab.sizes import format_sizes


def check_trace(lab: Lab) -> Finding:
    """It traces; lines where Python read a tensor are listed, and prove nothing by themselves."""
    try:
        lab.export.artifact  # noqa: B018 - exporting is the question
    except Error as error:
        return Finding.failed(error.message, error.evidence, error.hint)
    except Exception as error:
        return Finding.failed(
            f"{lab.backend.name} cannot export it at {format_sizes(lab.sizes)}",
            [first_line(error), *_places(lab, error)],
            "see the exception: a Python autograd.Function, a cache object or data-dependent control flow is the usual cause",
        )
    notes = sorted({f"{note.file}:{note.line}: {note.text.split('. ')[0]}" for note in lab.evidence.warnings})
    lines = [f"traced at {format_sizes(lab.sizes)}"]
    lines += [f"{len(notes)} lines read a tensor in Python; alone that proves nothing"] if notes else []
    return Finding.passed(
        "\n    ".join([*lines, *notes[:8]]),
        signature=signature_of(lab.subject),
        device=dict(lab.export.artifact.details) or None,
    )


def _places(lab: Lab, error: BaseException) -> list[str]:
    """Return where it went wrong: lines that make tracing part from eager, and the innermost line of the model's own
    code that raised."""
    frame = raising_frame(error)
    raised = [f"at {frame.filename}:{frame.lineno} in {frame.name}: {frame.line}"] if frame is not None else []
    return [*cause_lines(lab.evidence.unlike), *raised]
