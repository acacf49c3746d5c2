"""The check `determinism`, and what becomes of the others where it fails."""

from __future__ import annotations

import logging
import warnings

import pytest
import torch
from torch import nn

from tests import histories, toys
from tests.asking import answer, ask


def test_a_sound_model_agrees_with_itself() -> None:
    assert answer(ask(toys.Sound(), "determinism")).outcome == "passed"


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (toys.PythonRandom(), "random numbers that no torch seed governs"),
        (toys.DropoutOn(), "dropout is left on in eval mode: dropout(p=0.5)"),
        (toys.Counter(), "not deterministic: it keeps `self.calls` between calls, toys.py:"),
        (histories.Outside(), "keeps state between calls outside of itself"),
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


@pytest.mark.parametrize("model", histories.CHANGES_ITS_ANSWER)
def test_what_is_kept_is_named_with_its_line(model: type[nn.Module]) -> None:
    found = answer(ask(model().eval(), "determinism"))
    attribute, place = histories.truth(model)
    assert found.outcome == "failed"
    assert f"keeps `self.{attribute}` between calls, {place}" in found.message
    assert f"hint: compute `self.{attribute}` anew" in found.message


def test_weights_that_a_call_writes_to_are_told_from_random_numbers() -> None:
    """Copies share their weights: two fresh ones differ as well, and no seed has to do with it."""
    model = histories.DecaysWeight()
    assert "random" not in answer(ask(model, "determinism")).message


def test_only_what_matters_is_named() -> None:
    message = answer(ask(histories.KeepsHidden(), "determinism")).message
    assert "self.hidden" in message
    assert "self.seen" not in message


class Loud(nn.Module):
    """Prints, logs and warns without end."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        print("x" * 200_000)
        for number in range(1_001):
            logging.getLogger("zoo").warning("record %d", number)
            warnings.warn(f"warning {number}", stacklevel=1)
        return x.mean(1)


def test_what_floods_the_output_is_told() -> None:
    found = answer(ask(Loud(), "determinism"))
    assert found.outcome == "passed"
    assert found.message == (
        "a call prints more than 100,000 characters, logs more than 1,000 records, warns more than 1,000 times: what is more "
        "is dropped"
    )
