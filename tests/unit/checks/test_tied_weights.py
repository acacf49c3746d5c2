"""The check `tied_weights`."""

from __future__ import annotations

import torch

from pytest_torchscript import TensorSpec
from pytest_torchscript.checks.tied_weights import check_tied_weights
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.lab.plan import make_plan
from pytest_torchscript.settings import Settings
from tests import toys
from tests.asking import answer, ask

IDS = {"input_ids": TensorSpec("batch", "sequence", dtype=torch.int64, low=0, high=50)}


def test_tied_weights_are_told() -> None:
    assert answer(ask(toys.Sound(), "tied_weights")).outcome == "skipped"
    result = ask(toys.Tied(), "tied_weights", inputs=IDS)
    assert answer(result).outcome == "passed"
    said = "tied in eager: embedding.weight and head.weight; the artifact holds 2 of 2 names in one tensor"
    assert said in answer(result).message
    assert any("do not train" in note for note in result.notes)


def test_an_artifact_that_lost_both_names_fails() -> None:
    lab = make_plan(toys.Tied(), Settings(), inputs=IDS).load()
    with quiet():
        lab.export.artifact.module = torch.jit.freeze(lab.export.artifact.module.eval())
    finding = check_tied_weights(lab)
    assert finding.outcome == "failed"
    assert "the artifact holds 0 of 2 names" in finding.headline
