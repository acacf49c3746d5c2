from __future__ import annotations

from typing import Any

import pytest
import torch
from small_bert import built, tiny
from torch import nn

from pytest_torchscript.models.attention import has_attention, with_eager_attention
from pytest_torchscript.models.probe import run_probe


@pytest.mark.parametrize("name", ["Bert", "T5", "Whisper", "Swin", "DebertaV2", "Wav2Vec2"])
def test_eager_attention_shares_the_weights_and_answers_alike(name: str) -> None:
    loaded = tiny(name)
    eager: Any = with_eager_attention(loaded)
    assert eager is not None
    assert not eager.training
    assert {id(each) for each in eager.parameters()} == {id(each) for each in loaded.module.parameters()}
    assert not any(tensor.is_meta for tensor in eager.buffers())
    for part in eager.modules():
        assert getattr(getattr(part, "config", None), "_attn_implementation", "eager") in ("eager", None)
    left, right = run_probe(loaded.module, seed=1), run_probe(eager, seed=1)
    assert left is not None
    assert right is not None
    assert left.scale == pytest.approx(right.scale, rel=1e-4)


def test_attentions_come_out() -> None:
    eager: Any = with_eager_attention(tiny("Bert"))
    output = eager(input_ids=torch.ones(1, 5, dtype=torch.int64), output_attentions=True)
    assert [tuple(each.shape) for each in output.attentions] == [(1, 4, 5, 5)] * 2


@pytest.mark.parametrize("name", ["ResNet", "FNet", "Mamba", "Rwkv"])
def test_no_attention_no_second_model(name: str) -> None:
    assert with_eager_attention(tiny(name)) is None


def test_a_plain_module_has_no_second_model() -> None:
    assert with_eager_attention(built(nn.Linear(2, 2).eval())) is None


def test_attention_is_found_in_any_part() -> None:
    from transformers import CLIPConfig, ResNetConfig

    assert has_attention(CLIPConfig())
    assert not has_attention(ResNetConfig())
