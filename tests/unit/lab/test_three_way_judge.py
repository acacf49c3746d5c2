"""Checks that compare values, on a device: judged by what bf16 explains."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from pytest_torchscript.backends.neuron.common import neuron_backend
from pytest_torchscript.checks import run_check
from pytest_torchscript.compare.policy import Policy
from pytest_torchscript.lab.bf16 import Coarse
from pytest_torchscript.lab.plan import make_plan
from pytest_torchscript.lab.three_way_judge import ThreeWayJudge
from pytest_torchscript.settings import Settings
from pytest_torchscript.spec import TensorSpec

INPUTS = {
    "ids": TensorSpec("batch", "time", dtype=torch.int64, low=0, high=50),
    "attention_mask": TensorSpec("batch", "time", dtype=torch.int64, low=0, high=2),
}


class Masked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 32)
        self.query = nn.Linear(32, 32)
        self.head = nn.Linear(32, 8)

    def forward(self, ids, attention_mask):
        hidden = self.embedding(ids)
        scores = self.query(hidden) @ hidden.transpose(1, 2) / 6
        scores = scores.masked_fill(attention_mask[:, None, :] == 0, -10000.0)
        return self.head(torch.tanh(scores.softmax(-1) @ hidden))


@pytest.fixture(params=["neuron", "neuronx"])
def lab(request, neuron_machine):
    neuron_machine({"neuron": "inf1", "neuronx": "inf2"}[request.param])
    torch.manual_seed(0)
    chosen = Settings(neuron="require", backends=(request.param,))
    made = make_plan(Masked().eval(), chosen, inputs=INPUTS).load(request.param)
    made.backend = neuron_backend(chosen)
    return made


class Changed:
    """An artifact whose inputs or answer something does to."""

    def __init__(self, artifact, inputs=lambda ids, mask: (ids, mask), output=lambda leaf: leaf) -> None:
        self.artifact, self.inputs, self.output = artifact, inputs, output
        self.details = artifact.details

    def __call__(self, *tensors):
        return tuple(self.output(leaf) for leaf in self.artifact(*self.inputs(*tensors)))


def run(lab, check):
    return run_check(lab, check).exports[0].checks[0]


@pytest.mark.parametrize("check", ["outputs", "values", "padding", "neuron"])
def test_a_healthy_device_passes(lab, check):
    assert isinstance(lab.bench.judge, ThreeWayJudge)
    assert run(lab, check).outcome == "passed", run(lab, check).message


def test_a_shifted_answer_fails(lab):
    lab.export.made = Changed(lab.export.artifact, output=lambda leaf: leaf + 0.3)
    for check in ("outputs", "neuron"):
        found = run(lab, check)
        assert found.outcome == "failed", check
        assert "0.3" in found.message
    assert [run(lab, check).message for check in ("values", "padding")] == ["see test_outputs"] * 2
    assert "more than bf16 explains" in run(lab, "outputs").message


def test_a_device_that_ignores_the_mask_fails_where_masks_are_asked(lab):
    lab.export.made = Changed(lab.export.artifact, inputs=lambda ids, mask: (ids, torch.ones_like(mask)))
    assert run(lab, "outputs").outcome == "failed"


def test_a_device_that_reads_padding_fails_where_padding_is_asked(lab):
    example = lab.subject.inputs["attention_mask"]
    lab.export.made = Changed(
        lab.export.artifact, inputs=lambda ids, mask: (ids, mask if mask.equal(example) else torch.ones_like(mask))
    )
    assert run(lab, "outputs").outcome == "passed"
    assert run(lab, "values").outcome == "failed"
    assert run(lab, "padding").message == "see test_values"
    lab.selected = frozenset({"padding"})
    assert run(lab, "padding").outcome == "failed"


def test_what_bf16_cannot_follow_is_undecidable(lab, monkeypatch):
    def refuse(coarse, inputs, reference):
        raise ValueError("bf16 gives NaN where float32 is finite")

    monkeypatch.setattr(Coarse, "__call__", refuse)
    found = run(lab, "outputs")
    assert found.outcome == "skipped"
    assert "bf16 on the CPU cannot follow float32 here: " in found.message


def test_tolerance_of_the_user_counts(lab):
    lab.bench.judge.policy = Policy("bf16", 0.0, 1e-7)
    assert run(lab, "outputs").outcome == "failed"
    lab.bench.ledger.clear()
    lab.answers.clear()
    lab.bench.judge.policy = Policy("bf16", 0.0, 0.2)
    assert run(lab, "outputs").outcome == "passed"


def test_the_copy_in_bf16_is_freed(lab):
    assert run(lab, "outputs").outcome == "passed"
    lab.bench.judge.free()
    assert lab.bench.judge.coarse._module is None


def test_what_was_computed_and_how_outlives_the_copy(neuron_machine):
    class NoBf16(Masked):
        def forward(self, ids, attention_mask):
            if self.head.weight.dtype is torch.bfloat16:
                raise RuntimeError("not implemented for 'BFloat16'")
            return super().forward(ids, attention_mask)

    neuron_machine("inf1")
    chosen = Settings(neuron="require", backends=("neuron",))
    lab = make_plan(NoBf16().eval(), chosen, inputs=INPUTS).load("neuron")
    lab = replace(lab, backend=neuron_backend(chosen))
    assert run(lab, "outputs").outcome == "passed"
    answers = lab.bench.judge.answers
    lab.bench.judge.free()
    found = run_check(lab, "neuron").exports[0]
    assert found.checks[0].outcome == "passed"
    assert "rounded to bf16" in found.device["coarse"]
    assert lab.bench.judge.answers is answers
