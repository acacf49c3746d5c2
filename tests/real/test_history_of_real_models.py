"""What well-known models keep between calls: LeViT its biases, which do no harm; BigBird the way it attends, for good."""

from __future__ import annotations

import pytest
import transformers

from pytest_torchscript import ModelResult, check

#: Small enough for blocks to attend at 11 positions, and for all to attend below.
BLOCKS = {"block_size": 1, "num_random_blocks": 1, "max_position_embeddings": 64, "vocab_size": 64}
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}


def asked(model: object, **settings: object) -> ModelResult:
    return check(model, checks=("determinism", "history"), **settings)  # type: ignore[arg-type]


def test_a_cache_of_what_would_be_computed_anyway_does_no_harm() -> None:
    result = asked("facebook/levit-128S", weights="tiny")
    determinism, history = result.checks
    assert (determinism.outcome, history.outcome) == ("passed", "passed")
    assert "behind, and a trace after them answers as one before" in history.message
    assert result.exports[0].history is not None
    assert result.exports[0].history.verdict == "clean"


@pytest.mark.parametrize("how", ["the bundled configuration", "blocks at the anchor"])
def test_a_switch_for_good_is_named(how: str) -> None:
    if how == "the bundled configuration":
        result = asked("google/bigbird-roberta-base", weights="tiny")
    else:
        model = transformers.BigBirdModel(transformers.BigBirdConfig(**BLOCKS, **SMALL)).eval()
        result = asked(model)
    determinism, history = result.checks
    assert (determinism.outcome, history.outcome) == ("passed", "failed")
    assert "keeps `self.attention_type` between calls, modeling_big_bird.py:" in history.message
    assert result.exports[0].history is not None
    (cause, *_) = result.exports[0].history.causes
    assert cause.source == "self.attention_type = value"


def test_a_model_that_keeps_nothing_passes_without_a_word() -> None:
    result = asked("google-bert/bert-base-uncased", weights="tiny")
    assert [(item.outcome, item.message) for item in result.checks] == [("passed", "")] * 2
