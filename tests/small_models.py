"""A very small BERT, and ones that are broken in what they return on request alone. Imports transformers."""

from __future__ import annotations

from typing import Any

import torch
from transformers import BertConfig, BertModel

from pytest_torchscript import Axis
from pytest_torchscript import check as put
from pytest_torchscript.results import CheckResult

CONFIG = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 32,
    "initializer_range": 0.5,
}
EXTRAS = ("hidden_states", "attentions")


def ask(model: Any, check: str) -> CheckResult:
    """Put one check to a BERT over few sizes."""
    axes = {"batch": Axis("batch", max=4), "sequence": Axis("sequence", max=16)}
    (found,) = put(model, checks=(check,), axes=axes).checks
    return found


class Bert(BertModel):
    """Right at every size."""

    def __init__(self, config: Any = None) -> None:
        torch.manual_seed(0)
        super().__init__(config or BertConfig(**CONFIG))
        self.eval()

    def forward(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        inputs_embeds: Any = None,
        output_hidden_states: Any = None,
        output_attentions: Any = None,
        **others: Any,
    ) -> Any:
        """Answer as BERT does."""
        answer = super().forward(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            inputs_embeds=self.embeds(inputs_embeds),
            output_hidden_states=output_hidden_states,
            output_attentions=output_attentions,
            **others,
        )
        for name in EXTRAS:
            if answer.get(name) is not None:
                answer[name] = self.extra(answer[name])
        return answer

    def embeds(self, given: Any) -> Any:
        """Return embeddings as they are fed."""
        return given

    def extra(self, tensors: Any) -> Any:
        """Return hidden states or attentions as they are given out."""
        return tensors


class FrozenEmbeddings(Bert):
    """Scales embeddings by a number of its example."""

    def embeds(self, given: Any) -> Any:
        return None if given is None else given * float(given.abs().mean())


class FrozenExtras(Bert):
    """Divides its extra outputs by the length of its example."""

    def extra(self, tensors: Any) -> Any:
        return tuple(tensor / float(tensor.shape[-2]) for tensor in tensors)


class UntraceableExtras(Bert):
    """Cannot be traced with extra outputs."""

    def extra(self, tensors: Any) -> Any:
        if torch.jit.is_tracing():
            raise RuntimeError("not with these")
        return tensors


class WithoutExtras(Bert):
    """Has a flag for them, and none."""

    def extra(self, tensors: Any) -> Any:
        return None
