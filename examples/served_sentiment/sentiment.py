"""A sentiment model, what a server is given of it, and what the server is checked against."""

from __future__ import annotations

import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from pytest_torchscript import Axis, TensorSpec

GOOD = ("this film is good", "a great story", "i love the music", "great film , great music")
BAD = ("this film is bad", "an awful story", "i hate the music", "awful film , bad music")
WORDS = ("[PAD]", "[UNK]", *sorted({word for text in (*GOOD, *BAD) for word in text.split()}))
WIDTH, LENGTH = 32, 64


def tokens(*texts: str) -> dict[str, torch.Tensor]:
    """Return the ids of texts, padded to the longest, and the mask that tells words from padding; each (texts, words)."""
    rows = [[WORDS.index(word) if word in WORDS else 1 for word in text.split()] for text in texts]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    return {"input_ids": ids, "attention_mask": (ids != 0).long()}


def classifier() -> nn.Module:
    """Make a small BERT that has read eight sentences: logits (batch, 2) for bad and good, and its hidden states."""
    torch.manual_seed(0)
    sizes = {"hidden_size": WIDTH, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = BertForSequenceClassification(BertConfig(vocab_size=len(WORDS), max_position_embeddings=LENGTH, **sizes))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    labels = torch.tensor([1] * len(GOOD) + [0] * len(BAD))
    for _ in range(30):
        optimizer.zero_grad()
        model(**tokens(*GOOD, *BAD), labels=labels).loss.backward()
        optimizer.step()
    model.config.output_hidden_states = True
    return model.eval()


class ByIds(nn.Module):
    """The model as its server is asked: ids in, logits and a tuple of hidden states out."""

    def __init__(self) -> None:
        super().__init__()
        self.model = classifier()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> dict[str, object]:
        """Return logits (batch, 2) and three hidden states (batch, sequence, width)."""
        answer = self.model(input_ids=input_ids, attention_mask=attention_mask)
        return {"logits": answer.logits, "hidden_states": tuple(answer.hidden_states)}


class ByEmbeddings(ByIds):
    """The same, entered by embeddings in place of ids."""

    def forward(self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor) -> dict[str, object]:  # type: ignore[override]
        """Return logits (batch, 2) and three hidden states (batch, sequence, width)."""
        answer = self.model(inputs_embeds=inputs_embeds, attention_mask=attention_mask)
        return {"logits": answer.logits, "hidden_states": tuple(answer.hidden_states)}


MASK = TensorSpec("batch", "sequence", dtype=torch.int64, low=0, high=2, role="mask")
SEQUENCE = Axis("sequence", max=LENGTH)


def by_ids() -> tuple[nn.Module, dict[str, TensorSpec]]:
    """Return the model and what the signature `serving_default` takes."""
    ids = TensorSpec(Axis("batch", max=16), SEQUENCE, dtype=torch.int64, low=0, high=len(WORDS), role="ids")
    return ByIds().eval(), {"input_ids": ids, "attention_mask": MASK}


def by_embeddings() -> tuple[nn.Module, dict[str, TensorSpec]]:
    """Return the model and what the signature `embeds` takes."""
    return ByEmbeddings().eval(), {
        "inputs_embeds": TensorSpec(Axis("batch", max=16), SEQUENCE, WIDTH),
        "attention_mask": MASK,
    }


class Grouped(nn.Module):
    """What is exported: a server's outputs are tensors, so the hidden states go as one (layers, batch, sequence, width)."""

    def __init__(self, entry: nn.Module) -> None:
        super().__init__()
        self.entry = entry

    def forward(self, first: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and hidden states."""
        answer = self.entry(first, attention_mask)
        return answer["logits"], torch.stack(answer["hidden_states"])


def exported() -> dict[str, torch.jit.ScriptModule]:
    """Trace one module for each signature of the server."""
    example = tokens("this film is good", "a great story")
    ids, mask = example["input_ids"], example["attention_mask"]
    entries = {
        "serving_default": (ByIds().eval(), ids),
        "embeds": (ByEmbeddings().eval(), torch.randn(*ids.shape, WIDTH)),
    }
    with torch.no_grad():
        return {
            name: torch.jit.trace(Grouped(entry), (first, mask), check_trace=False)
            for name, (entry, first) in entries.items()
        }
