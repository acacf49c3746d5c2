"""The check `determinism`, and what becomes of the others where it fails."""

from __future__ import annotations

import pytest
from torch import nn

from tests import toys
from tests.asking import answer, ask


def test_a_sound_model_agrees_with_itself() -> None:
    assert answer(ask(toys.Sound(), "determinism")).outcome == "passed"


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (toys.PythonRandom(), "random numbers that no torch seed governs"),
        (toys.DropoutOn(), "dropout is left on in eval mode: dropout(p=0.5)"),
        (toys.Counter(), "keeps state between calls"),
    ],
)
def test_it_fails_with_its_reason_and_the_other_checks_are_skipped(model: nn.Module, reason: str) -> None:
    result = ask(model, "determinism", "outputs", "axis", "values")
    outcomes = {item.name: item for item in result.checks}
    assert outcomes["determinism"].outcome == "failed"
    assert reason in outcomes["determinism"].message
    assert "hint:" in outcomes["determinism"].message
    for name in ("outputs", "axis[batch]", "axis[time]", "values"):
        assert outcomes[name].outcome == "skipped"
        assert "not deterministic" in outcomes[name].message


def test_a_model_that_draws_under_a_seed_is_compared_under_it_with_a_note() -> None:
    result = ask(toys.SeededNoise(), "determinism", "outputs")
    assert result.passed
    assert "under one seed" in result.checks[0].message
