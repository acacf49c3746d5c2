"""The check `values`: other values, inputs left out, and embeddings in place of ids."""

from __future__ import annotations

import torch

from tests import small_models, toys
from tests.asking import answer, ask


class FrozenDefault(toys.Masked):
    """Makes up for a missing mask by a number of its example."""

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        if attention_mask is None:
            return self.embedding(input_ids).mean(1) * float(input_ids.float().mean())
        return super().forward(input_ids, attention_mask)


def test_a_sound_model_passes() -> None:
    assert answer(ask(toys.Sound(), "values")).outcome == "passed"
    assert answer(ask(toys.Masked(), "values", inputs=toys.TEXT)).outcome == "passed"


def test_a_frozen_branch_is_found() -> None:
    result = ask(toys.FrozenSign(), "values")
    assert answer(result).outcome == "failed"
    values = result.exports[0].values
    assert values.verdict == "diverges"
    assert "if bool((x > 50).any())" in values.causes[0].source


def test_an_input_left_out_has_a_trace_of_its_own() -> None:
    result = ask(FrozenDefault(), "values", inputs=toys.TEXT)
    assert answer(result).outcome == "failed"
    assert "traced without attention_mask, it does not answer as eager does" in answer(result).message
    assert result.exports[0].values.counterexample == {"values": "without attention_mask", "batch": 2, "sequence": 11}


def test_a_text_model_is_entered_by_its_embeddings_too() -> None:
    assert small_models.ask(small_models.Bert(), "values").outcome == "passed"
    found = small_models.ask(small_models.FrozenEmbeddings(), "values")
    assert found.outcome == "failed"
    assert "traced with inputs_embeds in place of input_ids" in found.message
