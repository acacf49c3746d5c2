"""The walk-through of the transformers export guide, trace save load call, and what the guide leaves out: other lengths."""

from __future__ import annotations

import pytest
import torch
from transformers import BertConfig, BertModel

# [CLS] who was jim henson ? [SEP] jim [MASK] was a puppet ##eer [SEP], as bert-base-uncased numbers them
IDS = torch.tensor([[101, 2040, 2001, 3958, 27227, 1029, 102, 3958, 103, 2001, 1037, 13997, 11510, 102]])
SENTENCE = {
    "input_ids": IDS,
    "attention_mask": torch.ones_like(IDS),
    "token_type_ids": torch.tensor([[0] * 7 + [1] * 7]),
}


def bert():
    sizes = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 2}
    return BertModel(BertConfig(vocab_size=32000, **sizes)).eval()


@pytest.mark.torchscript(model=bert, anchor={"batch": 1, "sequence": 14})
def test_walk_through(torchscript_traced, torchscript_eager, tmp_path):
    torchscript_traced.save(tmp_path / "traced_bert.pt")
    loaded = torch.jit.load(tmp_path / "traced_bert.pt")
    whole, shorter = SENTENCE, {name: tensor[:, :9] for name, tensor in SENTENCE.items()}
    padded = {name: torch.nn.functional.pad(tensor, (0, 5)) for name, tensor in shorter.items()}
    for called, truth in ((whole, whole), (shorter, shorter), (padded, shorter)):
        expected = torchscript_eager(truth).last_hidden_state
        answer = loaded(*called.values())[0][:, : expected.shape[1]]
        torch.testing.assert_close(answer, expected)
