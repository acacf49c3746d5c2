"""What is left to name where two traces are equal."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from pytest_torchscript.common import jit
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.tracing.trace import WarnedLine, trace_module
from pytest_torchscript.tracing.warnings import error_cause, warning_causes

BOOLEAN = "Converting a tensor to a Python boolean might cause the trace to be incorrect. We can't record …"
INTEGER = "Converting a tensor to a Python integer might cause the trace to be incorrect."
CONSTANT = "torch.tensor results are registered as constants in the trace."


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "model.py"
    path.write_text("n = x\nif n == 5: pass\nif n == 37: pass\nk = torch.tensor(n)\n", encoding="utf-8")
    return str(path)


def test_branches_come_before_numbers_before_constants(file: str) -> None:
    notes = [WarnedLine(file, 4, CONSTANT), WarnedLine(file, 1, INTEGER), WarnedLine(file, 3, BOOLEAN)]
    causes = warning_causes([*notes, *notes, WarnedLine("", 0, BOOLEAN), WarnedLine(file, 2, "Something new.")])
    assert [cause.line for cause in causes] == [3, 1, 4, 2]
    assert causes[0].source == "if n == 37: pass"
    assert causes[0].evidence == "a tensor's truth value was asked here and frozen (TracerWarning)"
    assert causes[-1].evidence == "the tracer warned here (TracerWarning)"


def test_a_warning_of_compiled_code_has_no_line(file: str) -> None:
    (cause,) = warning_causes([WarnedLine("", 0, BOOLEAN), WarnedLine("", 0, INTEGER)])
    assert str(cause).startswith("line not known: a tensor's truth value was asked")
    assert [cause.line for cause in warning_causes([WarnedLine("", 0, BOOLEAN), WarnedLine(file, 1, INTEGER)])] == [1]


def test_a_line_about_the_failing_size_comes_first(file: str) -> None:
    notes = [WarnedLine(file, 2, BOOLEAN), WarnedLine(file, 3, BOOLEAN)]
    assert warning_causes(notes, sizes=[38])[0].line == 3
    assert warning_causes(notes)[0].line == 2


class Views(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        length = int(x.shape[1])
        x = x + 1
        return x.view(2, length)


def test_the_line_an_artifact_fails_on_is_named() -> None:
    trace = trace_module(Views(), (torch.rand(2, 3),))
    with quiet():
        traced = jit.trace(Views(), (torch.rand(2, 3),))
    with pytest.raises(RuntimeError) as raised:
        traced(torch.rand(2, 5))
    cause = error_cause(raised.value, trace)
    assert cause is not None
    assert cause.source == "return x.view(2, length)"
    assert cause.evidence.startswith("fails here: shape '[2, 3]' is invalid for input of size 10")


def test_an_error_without_a_stack_names_no_line() -> None:
    assert error_cause(ValueError("what?")) is None
