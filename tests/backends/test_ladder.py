"""Four models that freeze a size, through four exports in one run: what each makes of it, and the line.

Needs the extra onnx and a C++ compiler, and some minutes: `nox -s onnx` runs it.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_torchscript import Axis, TensorSpec, check
from pytest_torchscript.backends.registry import backend_for
from pytest_torchscript.report.wording import ladder_text
from pytest_torchscript.versions import installed_version

BACKENDS = ("torchscript", "torch_export", "aot_inductor", "onnx")
SIGNAL = {"signal": TensorSpec(Axis("batch", max=6), Axis("time", max=60), 4)}
HERE = __file__.rpartition("/")[2]

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(
        not all(map(installed_version, ("onnx", "onnxruntime", "onnxscript"))), reason="the extra onnx is not installed"
    ),
    pytest.mark.skipif(
        backend_for("aot_inductor").readiness().action == "skip", reason=backend_for("aot_inductor").readiness().reason
    ),
]


class BakedMean(nn.Module):
    def forward(self, signal):
        return signal.sum(1) / float(signal.shape[1])


class RowByRow(nn.Module):
    def forward(self, signal):
        return torch.stack([signal[row] * 2 for row in range(signal.shape[0])])


class Threshold(nn.Module):
    def forward(self, signal):
        return signal * 2 if signal.shape[1] > 37 else signal * 3


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.inner = nn.LSTM(4, 4, batch_first=True)

    def forward(self, signal):
        return self.inner(signal)[0]


#: model, axis, and the verdict of each backend on it. TorchScript keeps the length of an LSTM, and ONNX by the names of axes
#: what the export of torch.export specialises with strict=False alone.
RUNGS = [
    (BakedMean, "time", ("diverges", "fixed", "diverges", "dynamic")),
    (RowByRow, "batch", ("diverges", "fixed", "diverges", "diverges")),
    (Threshold, "time", ("diverges", "fixed", "diverges", "diverges")),
    (Recurrent, "time", ("dynamic", "fixed", "diverges", "dynamic")),
]


@pytest.mark.parametrize(("model", "axis", "verdicts"), RUNGS, ids=[model.__name__ for model, _, _ in RUNGS])
def test_the_ladder_of_four(model, axis, verdicts):
    found = check(model().eval(), inputs=SIGNAL, backends=BACKENDS, checks=("axis", "runtime_checks"))
    rows = {row["axis"]: tuple(row[backend] for backend in BACKENDS) for row in found.ladder}
    assert rows[axis] == verdicts
    assert set(rows[({"batch", "time"} - {axis}).pop()]) == {"dynamic"}
    lost = [export.axes for export in found.exports if export.axes]
    causes = [each.causes for axes in lost for each in axes if each.verdict in ("fixed", "diverges")]
    assert len(causes) == sum(verdict in ("fixed", "diverges") for verdict in verdicts)
    assert {cause[0].file for cause in causes} == {__file__}, causes
    assert len({cause[0].line for cause in causes}) == 1
    assert f"lose {axis} at {HERE}:{causes[0][0].line}" in ladder_text(found)
    switched = next(export for export in found.exports if export.backend == "aot_inductor").device["runtime_checks"]
    assert switched["caught"]
    assert not switched["missed"]
