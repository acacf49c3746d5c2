"""Dynamic batching of a compiled artifact: any number of rows, each answered as it is alone.

The library cuts dimension 0 into pieces of the compiled size n, so 1, n, n + 1 and 2n rows are its cases: less than one
piece, one, one and a rest, two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from pytest_torchscript.backends.base import Artifact
from pytest_torchscript.compare.rows import apart
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.trial import artifact_error
from pytest_torchscript.outputs import tensor_leaves

AXIS = "batch"


@dataclass(frozen=True)
class RowFault:
    """What went wrong at a number of rows: the row and how far it is off, or what the artifact raised."""

    rows: int
    row: int = 0
    path: str = ""
    difference: float = 0.0
    allowed: float = 0.0
    error: str = ""

    def __str__(self) -> str:
        if self.error:
            return f"dynamic batching: {self.rows} rows raise {self.error}"
        return (
            f"dynamic batching: of {self.rows} rows, row {self.row} differs from the row alone by "
            f"{self.difference:.3g} in {self.path}, allowed {self.allowed:.3g}"
        )


def row_counts(compiled: int) -> tuple[int, ...]:
    """Return the numbers of rows that matter for an artifact compiled at `compiled` rows."""
    return tuple(sorted({1, compiled, compiled + 1, 2 * compiled}))


def batched_alone(lab: Lab, artifact: Artifact, *, share: float) -> RowFault | None:
    """Compare every row of every count with the same row given alone; return the first fault."""
    if AXIS not in lab.spec.axes:
        return None
    for rows in row_counts(lab.sizes[AXIS]):
        inputs = lab.subject.draw({**lab.sizes, AXIS: rows}, rows)
        try:
            fault = _compare_rows(lab, artifact, inputs, rows, share)
        except Exception as error:
            return RowFault(rows, error=artifact_error(error))
        if fault is not None:
            return fault
    return None


def _compare_rows(
    lab: Lab, artifact: Artifact, inputs: Mapping[str, torch.Tensor], rows: int, share: float
) -> RowFault | None:
    together = tensor_leaves(_run(lab, artifact, inputs))
    for row in range(rows):
        alone = tensor_leaves(_run(lab, artifact, _row_of(lab, inputs, row)))
        for (path, batch), (_, single) in zip(together, alone):
            if batch.dim() and batch.shape[0] == rows and single.dim() and single.shape[0] == 1:
                fault = apart(batch[row], single[0], share)
                if fault is not None:
                    return RowFault(rows, row, path, *fault)
    return None


def _row_of(lab: Lab, inputs: Mapping[str, torch.Tensor], row: int) -> dict[str, torch.Tensor]:
    """Return the inputs of one row; an input without a batch dim stays."""
    chosen = dict(inputs)
    for name, spec in lab.spec.items():
        for index in spec.dims_of(AXIS):
            chosen[name] = chosen[name].narrow(index, row, 1)
    return chosen


def _run(lab: Lab, artifact: Artifact, inputs: Mapping[str, torch.Tensor]) -> Any:
    return lab.bench.judge.answer(artifact, inputs)
