from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from small_bert import SMALL
from torch import nn

from pytest_torchscript.errors import ModelError, OptionError
from pytest_torchscript.models import hub, resolve
from pytest_torchscript.models.attention import has_attention, with_eager_attention
from pytest_torchscript.models.blueprint import Blueprint, plan_model, plan_module
from pytest_torchscript.models.probe import run_probe
from pytest_torchscript.models.reference import parse_reference
from pytest_torchscript.models.resolve import LoadedModel, build_model, count_parameters
from pytest_torchscript.settings import Settings


def built(module: nn.Module, **settings: Any) -> LoadedModel:
    chosen = Settings(**settings)
    return build_model(plan_module(module, "given", settings=chosen), chosen)


def small_bert() -> Any:
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    return BertModel(BertConfig(**SMALL))


def tiny(name: str, task: str = "default", **values: Any) -> LoadedModel:
    import transformers

    from pytest_torchscript.models.shrink import shrink_config
    from pytest_torchscript.models.tasks import model_class_for

    config = getattr(transformers, f"{name}Config")(**values)
    model_class = model_class_for(config, task)
    config = shrink_config(config, model_class)
    return build_model(Blueprint(name, config=config, model_class=model_class, weights="tiny"), Settings())


def test_a_module_in_training_mode_is_switched_and_said() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.Dropout())
    loaded = built(module)
    assert not any(child.training for child in loaded.module.modules())
    assert all(child.training for child in module.modules())
    assert [each.data_ptr() for each in loaded.module.parameters()] == [each.data_ptr() for each in module.parameters()]
    assert loaded.notes == ("it was in training mode: checked in eval mode",)
    assert built(module.eval()).notes == ()
    assert built(module).module is module


def test_dropout_that_is_kept_on_in_eval_mode_is_left_on() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.Dropout()).eval()
    module[1].train()
    assert built(module).module.training is False
    assert module[1].training


def test_parameters_are_counted_once() -> None:
    module = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    module[1].weight = module[0].weight
    assert count_parameters(module) == 16


def test_a_plain_module_keeps_its_weights_and_says_so() -> None:
    module = nn.Linear(3, 4).eval()
    for weights in ("random", "tiny"):
        loaded = built(module, weights=weights)
        assert loaded.module is module
        assert loaded.blueprint.weights == "own"
        assert loaded.notes == (f"weights {weights} asked for: a module of its own is checked with the weights it has",)
    assert built(module).blueprint.weights == "own"
    assert built(module).notes == ()


def test_a_plain_module_has_no_weights_where_none_are_asked_for() -> None:
    module = nn.Linear(3, 4).eval()
    loaded = built(module, weights="meta")
    assert (loaded.blueprint.weights, loaded.notes, loaded.parameters) == ("meta", (), 16)
    assert all(parameter.is_meta for parameter in loaded.module.parameters())
    assert not any(parameter.is_meta for parameter in module.parameters())


def test_a_module_that_cannot_be_without_weights() -> None:
    class Heavy(nn.Linear):
        def _apply(self, fn: Any, *rest: Any) -> Any:
            raise RuntimeError("it is bolted down")

    with pytest.raises(ModelError, match=r"cannot be had without weights: RuntimeError: it is bolted down\n +hint: "):
        built(Heavy(3, 4).eval(), weights="meta")


def test_a_task_that_a_module_at_hand_does_not_have_is_noted() -> None:
    assert built(nn.Linear(3, 4).eval(), task="masked-lm").notes == (
        "task masked-lm asked for: a module of its own is called as it is",
    )
    assert built(nn.Linear(3, 4).eval(), task="default").notes == ()
    loaded = built(small_bert().eval(), task="masked-lm")
    assert loaded.notes == ("task masked-lm asked for: a module at hand is checked as the BertModel it is",)
    assert loaded.blueprint.task == "default"
    assert built(small_bert().eval(), task="default").notes == ()


def test_a_transformers_module_is_taken_as_it_is_or_built_anew() -> None:
    module = small_bert().eval()
    loaded = built(module)
    assert loaded.module is module
    assert (loaded.blueprint.class_name, loaded.blueprint.task) == ("BertModel", "default")
    assert loaded.blueprint.config is module.config
    assert loaded.blueprint.weights == "own"
    anew = built(module, weights="random")
    assert anew.module is not module
    assert anew.parameters == loaded.parameters
    assert built(module, weights="meta").blueprint.weights == "meta"


def test_the_task_of_a_head_is_known() -> None:
    from transformers import BertConfig, BertForMaskedLM

    blueprint = plan_module(BertForMaskedLM(BertConfig(**SMALL)), "given")
    assert blueprint.task == "masked-lm"


def test_weights_that_do_not_exist() -> None:
    with pytest.raises(OptionError) as caught:
        plan_model(parse_reference("gpt2"), Settings(weights="tinny"))
    assert caught.value.message == "weights 'tinny' does not exist"
    assert "did you mean 'tiny'?" in caught.value.hint


def test_bert_base_uncased_has_the_published_number_of_parameters() -> None:
    settings = Settings(weights="meta")
    loaded = build_model(plan_model(parse_reference("bert-base-uncased"), settings, offline=True), settings)
    assert (loaded.blueprint.class_name, loaded.parameters) == ("BertModel", 109_482_240)


def test_weights_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch, whole: Path) -> None:
    from transformers import BertConfig, BertModel

    def fails(identifier: str) -> str:
        raise OSError("the line broke")

    monkeypatch.setattr(hub, "fetch_weights", fails)
    blueprint = Blueprint("org/x", config=BertConfig(**SMALL), model_class=BertModel, fetch="org/x", fall_back=True)
    loaded = resolve.build_model(blueprint, Settings())
    assert loaded.blueprint.weights == "random"
    assert "fetching its weights failed: the line broke" in loaded.notes[0]
    with pytest.raises(ModelError, match="org/x: its weights cannot be fetched: the line broke"):
        resolve.build_model(Blueprint("org/x", config=BertConfig(), model_class=BertModel, fetch="org/x"), Settings())
    with pytest.raises(ModelError, match="no weights on this machine"):
        resolve.build_model(Blueprint("org/x", config=BertConfig(), model_class=BertModel), Settings())
    with pytest.raises(ModelError, match="no class to build"):
        resolve.build_model(Blueprint("org/x", config=BertConfig(), weights="random"), Settings())


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
