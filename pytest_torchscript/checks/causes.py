"""Where a failure comes from: graphs compared, warnings consulted, the line named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from pytest_torchscript.checks.case import Case
from pytest_torchscript.checks.sizes import neighbour
from pytest_torchscript.results import Cause
from pytest_torchscript.tracing.baked import find_baked, value_branches
from pytest_torchscript.tracing.size_hints import size_hints
from pytest_torchscript.tracing.warnings import error_cause, warning_causes


@dataclass(frozen=True)
class Suspicion:
    """What the tracer says before anything is run: lines that froze an axis, and integers written on such lines."""

    causes: tuple[Cause, ...] = ()
    hints: tuple[int, ...] = ()


def suspect_axis(case: Case, axis: str) -> Suspicion:
    """Compare the main trace with one where a single axis moved. Empty where the other size cannot be traced."""
    size = neighbour(case.spec.axes[axis], case.sizes[axis])
    causes = causes_at(case, axis, {**case.sizes, axis: size})
    return Suspicion(tuple(causes), size_hints(causes, case.anchor_trace.warnings))


def causes_at(case: Case, axis: str, sizes: Mapping[str, int]) -> list[Cause]:
    """Compare the main trace with one at other sizes."""
    if dict(sizes) == case.sizes:
        return []
    try:
        moved = case.trace(case.make(sizes))
    except Exception:
        return []
    return find_baked(case.anchor_trace, case.control_trace, moved, axis=axis, sizes=(case.sizes[axis], sizes[axis]))


def explain_axis(
    case: Case, axis: str, counterexample: Mapping[str, int], suspicion: Suspicion, raised: BaseException | None = None
) -> list[Cause]:
    """Return the causes of a failure that execution confirmed: by the moved axis, by the counterexample, by warnings.

    Where the artifact raised, the line it raised at comes last.
    """
    alone = {**case.sizes, axis: counterexample[axis]}
    causes = (
        causes_at(case, axis, alone)
        or list(suspicion.causes)
        or causes_at(case, axis, counterexample)
        or warned(case, sizes=tuple(counterexample.values()))
    )
    line = error_cause(raised, case.anchor_trace) if raised is not None else None
    known = {(cause.file, cause.line) for cause in causes}
    return [*causes, line] if line is not None and (line.file, line.line) not in known else causes


def explain_values(case: Case, inputs: Mapping[str, torch.Tensor]) -> list[Cause]:
    """Return the causes of a failure at other values of the same sizes."""
    try:
        other = case.trace(inputs)
    except Exception:
        return warned(case)
    return value_branches(case.anchor_trace, case.control_trace, other) or warned(case)


def warned(case: Case, *, sizes: tuple[int, ...] = ()) -> list[Cause]:
    """Return the lines that the tracer warned of, where nothing better is known and the model may be to blame."""
    return [] if case.of_another_model else warning_causes(case.anchor_trace.warnings, sizes=sizes)


def place_lines(case: Case, causes: Sequence[Cause]) -> list[str]:
    """Lay causes out as evidence lines, or say that there are none."""
    if not causes and case.of_another_model:
        return ["wrong at the anchor already, and no line of this model explains it"]
    return cause_lines(causes) or ["line not known: the graphs are equal and nothing warned"]


def advice(case: Case, causes: Sequence[Cause], usual: str) -> str:
    """Return the hint of a failure: the usual one, unless the artifact itself is in question."""
    if not causes and case.of_another_model:
        return "is the file made of this model, with these weights? Then give its own sizes with --torchscript-anchor"
    return case.judge.hint or usual


def cause_lines(causes: Sequence[Cause], limit: int = 3) -> list[str]:
    """Lay causes out as evidence lines: ``at FILE:LINE in FUNCTION: EVIDENCE``."""
    return [f"at {cause}" if cause.line else str(cause) for cause in causes[:limit]]
