"""The checks `hidden_states` and `attentions`, on small BERTs of which some are broken in those outputs alone."""

from __future__ import annotations

import pytest

from tests import small_models, toys
from tests.asking import answer, ask


@pytest.mark.parametrize("check", ["hidden_states", "attentions"])
def test_a_sound_model_passes(check: str) -> None:
    found = small_models.ask(small_models.Bert(), check)
    assert found.outcome == "passed", found.message
    assert f"tensors with {check.replace('_', ' ')}" in found.message


@pytest.mark.parametrize("check", ["hidden_states", "attentions"])
def test_one_that_freezes_a_size_into_them_fails(check: str) -> None:
    found = small_models.ask(small_models.FrozenExtras(), check)
    assert found.outcome == "failed"
    assert f"with {check.replace('_', ' ')} it is wrong at" in found.message
    assert small_models.ask(small_models.FrozenExtras(), "outputs").outcome == "passed"


@pytest.mark.parametrize("check", ["hidden_states", "attentions"])
def test_one_that_cannot_be_exported_with_them_fails(check: str) -> None:
    found = small_models.ask(small_models.UntraceableExtras(), check)
    assert found.outcome == "failed"
    assert "it cannot be exported" in found.message
    assert "not with these" in found.message


@pytest.mark.parametrize("check", ["hidden_states", "attentions"])
def test_where_there_are_none_it_is_skipped(check: str) -> None:
    assert answer(ask(toys.Sound(), check)).outcome == "skipped"
    found = small_models.ask(small_models.WithoutExtras(), check)
    assert found.outcome == "skipped"
    assert "the architecture has no" in found.message
