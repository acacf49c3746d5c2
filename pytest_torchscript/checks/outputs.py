"""The check `outputs`: the export equals eager at the anchor itself."""

from __future__ import annotations

from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.registry import check
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.sizes import format_sizes
from pytest_torchscript.lab.subject import FRESH
from pytest_torchscript.lab.trial import REFUSED, UNDECIDABLE


@check("outputs", order=30)
def check_outputs(lab: Lab) -> Finding:
    """The export equals eager on fresh inputs at the anchor, three calls in a row.

    The profiling executor changes the code on the second.
    """
    inputs = lab.subject.draw(lab.sizes, FRESH)
    expected = None
    for call in range(3):
        if call == 1:
            expected = lab.subject.eager(inputs)
        trial = lab.bench.judge.against(expected, lab.export.artifact, inputs) if call else lab.bench.at(lab.sizes)
        if trial.fails:
            causes = lab.evidence.explain_outputs(inputs)
            return Finding.failed(
                f"outputs differ at the anchor itself, {format_sizes(lab.sizes)}, call {call + 1} of 3",
                [*trial.lines, *lab.evidence.places(causes)],
                lab.evidence.advice(
                    causes, "the trace kept a value of its example, or eager and traced take different branches"
                ),
            )
        if trial.status == UNDECIDABLE:
            return Finding.undecidable(trial)
        if trial.status == REFUSED:
            return Finding.failed(
                "eager refuses fresh inputs at its own anchor", [trial.error], "declare the range of its values"
            )
    return Finding.passed(f"three calls at {format_sizes(lab.sizes)}", signature=None)
