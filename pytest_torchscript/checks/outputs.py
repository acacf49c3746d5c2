"""The check `outputs`: the export equals eager on the very inputs it was made with."""

from __future__ import annotations

from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.registry import check
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.sizes import format_sizes
from pytest_torchscript.lab.trial import RAISES, UNDECIDABLE


@check("outputs", order=30)
def check_outputs(lab: Lab) -> Finding:
    """The export equals eager on the very inputs it was made with, three calls in a row.

    The profiling executor changes the code on the second. What fails here fails everywhere; an export that agrees here and
    not on other values of these sizes is told by `values`.
    """
    for nth in range(3 if lab.bench.judge.calls == 1 else 1):  # else each comparison is of three calls
        trial = lab.bench.example() if nth else lab.bench.at(lab.sizes)
        call = nth + trial.call - 1
        if trial.fails:
            what = "the export raises" if trial.status == RAISES else "outputs differ"
            return Finding.failed(
                f"{what} at the anchor itself, {format_sizes(lab.sizes)}, call {call + 1} of 3",
                [
                    *trial.lines,
                    *_written(lab),
                    *lab.evidence.places(causes := lab.evidence.explain_outputs(trial.raised)),
                ],
                lab.evidence.advice(causes, _hint(trial.status, call)),
            )
        if trial.status == UNDECIDABLE:
            return Finding.undecidable(trial)
    return Finding.passed(f"three calls at {format_sizes(lab.sizes)}")


def _written(lab: Lab) -> list[str]:
    """Say so where a call of the model writes to its weights: the trace does that at every call."""
    if lab.subject.eager.shares:
        return []
    return [
        "a call of the model writes to its own weights, and the trace writes to them at every call: see test_history"
    ]


def _hint(status: str, call: int) -> str:
    if call:
        return (
            "the first call was right: the executor optimises the graph after it; torch.jit.optimized_execution(False)"
        )
    if status == RAISES:
        return "what runs in Python while tracing is not in the graph: see the exception, and the lines above"
    return (
        "the tracer did not see what changed a tensor (.data, numpy, a buffer replaced), or the model asks is_tracing()"
    )
