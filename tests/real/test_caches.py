"""The tasks with a cache, on architectures that lay their caches out in ways of their own."""

from __future__ import annotations

import pytest

from pytest_torchscript import check

DECODERS = (
    "EleutherAI/gpt-neo-125m",  # local attention in every other layer
    "bigscience/bloom-560m",  # no positions, but a bias by distance
    "facebook/opt-125m",
    "HuggingFaceTB/SmolLM2-135M",  # fewer heads for keys than for queries
    "mistralai/Mistral-7B-v0.1",  # a cache that slides
)
PAIRS = ("google-t5/t5-small", "Helsinki-NLP/opus-mt-en-de", "facebook/m2m100_418M")


@pytest.mark.parametrize("model", DECODERS)
def test_a_decoder_goes_on_from_any_past(model: str) -> None:
    result = check(model, task="causal-lm-with-past", weights="tiny", checks=("trace", "outputs", "axis"))
    assert result.passed, [item.message for item in result.failures]
    assert {axis.axis: axis.verdict for axis in result.exports[0].axes} == dict.fromkeys(
        ("batch", "sequence", "past_sequence"), "dynamic"
    )


@pytest.mark.parametrize("model", PAIRS)
def test_a_decoder_with_an_encoder_goes_on_from_any_past(model: str) -> None:
    result = check(model, task="seq2seq-lm-with-past", weights="tiny", checks=("trace", "outputs", "axis"))
    assert result.passed, [item.message for item in result.failures]
    assert {axis.axis: axis.verdict for axis in result.exports[0].axes} == dict.fromkeys(
        ("batch", "sequence", "decoder_sequence", "past_sequence"), "dynamic"
    )


def test_a_decoder_of_sound_goes_on_from_a_past() -> None:
    result = check("openai/whisper-tiny", task="seq2seq-lm-with-past", weights="tiny", checks=("trace", "outputs"))
    assert result.passed, [item.message for item in result.failures]
