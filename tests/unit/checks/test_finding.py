"""What a check returns: a pass with what is worth knowing, a skip with its reason, a failure with its evidence."""

from __future__ import annotations

import torch

from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.compare.compare import compare_outputs
from pytest_torchscript.lab.trial import UNDECIDABLE, Trial
from pytest_torchscript.results import AxisResult


def test_each_outcome_has_its_words() -> None:
    assert Finding.passed() == Finding("passed")
    assert Finding.passed("three calls", notes=("one",)) == Finding("passed", "three calls", notes=("one",))
    assert Finding.skipped("no weights") == Finding("skipped", "no weights")
    axis = AxisResult("time", 1, 9, "fixed")
    failed = Finding.failed("it raises", ["line"], "look", axis=axis)
    assert (failed.outcome, failed.evidence, failed.hint, failed.axis) == ("failed", ("line",), "look", axis)


def test_what_cannot_be_told_is_skipped_with_what_was_compared() -> None:
    one = torch.ones(3)
    comparison = compare_outputs(one + 0.5, one, precise=lambda: one.double() + 0.7)
    found = Finding.undecidable(Trial(UNDECIDABLE, comparison=comparison))
    assert found.outcome == "skipped"
    assert found.headline.startswith("undecidable: output: max |actual - expected| = 0.5")
