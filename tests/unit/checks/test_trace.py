"""The check `trace`."""

from __future__ import annotations

import torch
from torch import nn

from pytest_torchscript import TensorSpec
from tests import toys
from tests.asking import answer, ask


def test_a_sound_model_traces() -> None:
    result = ask(toys.Sound(), "trace")
    assert answer(result).outcome == "passed"
    assert "traced at batch=2 time=11" in answer(result).message
    assert result.exports[0].signature.inputs == {"x": ["batch", "time", 4]}
    assert result.exports[0].anchors == [{"batch": 2, "time": 11}]


def test_lines_that_read_a_tensor_are_told_and_prove_nothing() -> None:
    found = answer(ask(toys.FrozenSign(), "trace"))
    assert found.outcome == "passed"
    assert "1 lines read a tensor in Python" in found.message
    assert "toys.py:" in found.message


def test_what_cannot_be_traced_fails_there_alone() -> None:
    result = ask(toys.CannotTrace(), "trace", "determinism", "outputs")
    assert {item.name: item.outcome for item in result.checks} == {
        "trace": "failed",
        "determinism": "passed",
        "outputs": "skipped",
    }
    assert "this model does not trace" in result.failures[0].message


def test_a_model_that_reads_values_cannot_be_traced_without_weights() -> None:
    class Reads(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
            if torch.jit.is_tracing():
                return input * float(self.weight.sum())
            return super().forward(input)

    result = ask(Reads(4, 4, device="meta"), "trace", "axis", inputs={"input": TensorSpec("batch", 4)})
    assert {item.outcome for item in result.checks} == {"skipped"}
    assert all("cannot be traced without weights" in item.message for item in result.checks)
