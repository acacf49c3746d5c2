"""The check `trace`."""

from __future__ import annotations

from typing import Any

import pytest
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


MASKED = {"x": TensorSpec("batch", "time", 4), "mask": TensorSpec("batch", "time", dtype=torch.int64, role="mask")}


class ReadsItsMask(nn.Module):
    def __init__(self, count: bool) -> None:
        super().__init__()
        self.count = count

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if self.count:
            return x[:, : int(mask.sum(1).max())]
        return x if mask.all() else x * mask[..., None]


def test_a_mask_that_is_read_without_weights_hides_nothing_and_that_is_said() -> None:
    result = ask(ReadsItsMask(False), "trace", "axis", inputs=MASKED, weights="meta")
    assert [item.outcome for item in result.checks] == ["passed", "skipped", "skipped"]
    assert [note for note in result.notes if "a mask which hides nothing" in note and "test_trace.py:" in note]
    assert not result.axis("time").causes


def test_what_is_read_of_a_mask_and_frozen_is_named_without_weights() -> None:
    result = ask(ReadsItsMask(True), "axis", inputs=MASKED, weights="meta")
    assert (result.axis("time").verdict, result.axis("batch").verdict) == ("diverges", "untested")
    assert "int(mask.sum(1).max())" in result.axis("time").causes[0].source


@pytest.mark.parametrize("reads", [lambda x: x.sum() > 0, lambda x: bool(x.any())])
def test_what_reads_a_weight_is_skipped_with_its_line(reads: Any) -> None:
    class Reads(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
            answer = super().forward(input)
            return answer if reads(answer) else answer * 2

    result = ask(Reads(4, 4), inputs={"input": TensorSpec("batch", 4)}, weights="meta")
    assert {item.outcome for item in result.checks} == {"skipped"}
    told = next(item.message for item in result.checks if item.name == "trace")
    assert told.startswith("cannot be traced without weights: ")
    assert "at " in told
    assert result.exports[0].anchors == []
