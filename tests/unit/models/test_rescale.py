from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from pytest_torchscript.models.construct import build
from pytest_torchscript.models.probe import run_probe
from pytest_torchscript.models.rescale import rescale_weights


def rescaled(module: nn.Module) -> Any:
    rescale_weights(module)
    return module


def drawn(*shape: int, std: float = 0.02) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape, generator=torch.Generator().manual_seed(0)) * std)


class Small(nn.Module):
    """One parameter of each kind that a rule knows."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(256, 64)
        self.convolution = nn.Conv1d(32, 8, 3)
        self.up = nn.ConvTranspose1d(32, 8, 4, stride=2)
        self.embedding = nn.Embedding(50, 16, padding_idx=1)
        for layer in (self.linear, self.convolution, self.up, self.embedding):
            layer.weight.data.normal_(0, 0.02, generator=torch.Generator().manual_seed(0))
        self.embedding.weight.data[1] = 0
        self.linear.bias.data.zero_()
        self.norm = nn.LayerNorm(64)
        self.shut_norm = nn.BatchNorm1d(64)
        self.shut_norm.weight.data.normal_(0, 0.02)
        self.layer_scale = nn.Parameter(torch.full((64,), 1e-6))
        self.shut_gate = nn.Parameter(torch.zeros(1))
        self.temperature = nn.Parameter(torch.tensor(2.6592))
        self.decay = nn.Parameter(torch.log(torch.arange(1.0, 17.0)).expand(4, 16).clone())
        self.table = drawn(1, 20, 64)
        self.zero_table = nn.Parameter(torch.zeros(1, 20, 64))
        self.frozen = nn.Parameter(torch.zeros(64), requires_grad=False)


def test_the_rules() -> None:
    torch.manual_seed(0)
    before = Small()
    after = rescaled(copy.deepcopy(before))
    assert after.linear.weight.std().item() == pytest.approx(256**-0.5, rel=1e-3)
    assert after.convolution.weight.std().item() == pytest.approx((32 * 3) ** -0.5, rel=1e-3)
    assert after.up.weight.std().item() == pytest.approx((32 * 2) ** -0.5, rel=1e-3)
    assert after.embedding.weight.std().item() == pytest.approx(1, rel=1e-3)
    assert not after.embedding.weight[1].any()
    assert after.linear.bias.std().item() == pytest.approx(0.1, rel=0.3)
    assert after.norm.weight.mean().item() == pytest.approx(1, abs=0.1)
    assert after.norm.weight.std().item() == pytest.approx(0.1, rel=0.3)
    assert after.shut_norm.weight.mean().item() == pytest.approx(1, abs=0.1)
    assert after.layer_scale.std().item() == pytest.approx(0.1, rel=0.3)
    assert after.shut_gate.item() == 0.5
    assert after.table.std().item() == pytest.approx(64**-0.5, rel=1e-3)
    assert after.zero_table.std().item() == pytest.approx(64**-0.5, rel=0.2)
    for name in ("temperature", "decay", "frozen"):
        assert torch.equal(getattr(after, name), getattr(before, name)), name
    assert torch.equal(after.shut_norm.running_var, before.shut_norm.running_var)


def test_tied_weights_stay_tied_and_are_scaled_once() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(16, 50, bias=False)
            self.embedding = nn.Embedding(50, 16)
            self.embedding.weight.data.mul_(0.02)
            self.head.weight = self.embedding.weight

    module = rescaled(Tied())
    assert module.head.weight is module.embedding.weight
    assert module.embedding.weight.std().item() == pytest.approx(1, rel=0.01)


def small(name: str) -> tuple[type[Any], Any]:
    import transformers

    from pytest_torchscript.models.shrink import shrink_config
    from pytest_torchscript.models.tasks import model_class_for

    config = getattr(transformers, f"{name}Config")()
    model_class = model_class_for(config, "default")
    return model_class, shrink_config(config, model_class)


ARCHITECTURES = [
    "Bert", "GPT2", "T5", "Bart", "XLNet", "Rwkv", "Mamba", "Llama", "MobileBert", "FNet",
    "ViT", "Swin", "ConvNext", "ResNet", "EfficientNet", "MobileNetV2", "Levit", "MobileViT",
    "Wav2Vec2", "Whisper", "CLIP",
]  # fmt: skip


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_outputs_are_finite_moderate_and_move_with_the_input(name: str) -> None:
    model_class, config = small(name)
    response = run_probe(rescaled(build(model_class, config)), seed=3)
    assert response is not None
    assert 0.05 < response.scale < 200
    assert response.spread > 0.01


def margin(module: Any, inputs: dict[str, torch.Tensor], changed: dict[str, torch.Tensor]) -> float:
    """How far outputs move, in units of what comparing would allow (8 times the noise, or 1.3e-6 of the scale)."""
    precise = copy.deepcopy(module).double()
    with torch.no_grad():
        left, right, exact = (
            run(**values)[0] for run, values in ((module, inputs), (module, changed), (precise, inputs))
        )
    allowed = max(8 * (left - exact).abs().max().item(), 1.3e-6 * left.abs().max().item())
    return (left - right).abs().max().item() / allowed


@pytest.mark.parametrize("name", ["Bert", "GPT2", "Llama", "XLNet", "MobileBert", "Mamba", "T5"])
def test_a_mask_is_felt(name: str) -> None:
    model_class, config = small(name)
    config.use_cache = False
    module = rescaled(build(model_class, config))
    ids = torch.randint(5, 500, (2, 11), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    hidden = mask.clone()
    hidden[0, 4] = 0
    extra = {"decoder_input_ids": ids} if name == "T5" else {}
    inputs = {"input_ids": ids, "attention_mask": mask, **extra}
    assert margin(module, inputs, {**inputs, "attention_mask": hidden}) > 1000


def test_t5_keeps_the_queries_it_draws_smaller() -> None:
    model_class, config = small("T5")
    before: Any = build(model_class, config)
    after = rescaled(build(model_class, config))
    query = "encoder.block.0.layer.0.SelfAttention.q.weight"
    assert torch.equal(before.get_parameter(query), after.get_parameter(query))


def test_a_stack_without_norms_is_damped() -> None:
    from transformers import MobileBertConfig, MobileBertModel

    config = MobileBertConfig(vocab_size=200, hidden_size=64, num_hidden_layers=24, num_attention_heads=2)
    response = run_probe(rescaled(build(MobileBertModel, config)), seed=3)
    assert response is not None
    assert response.scale < 1e3
