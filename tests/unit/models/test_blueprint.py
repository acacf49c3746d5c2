from __future__ import annotations

import pytest
from small_bert import SMALL, built, small_bert
from torch import nn

from pytest_torchscript.errors import OptionError
from pytest_torchscript.models.blueprint import plan_model, plan_module
from pytest_torchscript.models.reference import parse_reference
from pytest_torchscript.models.resolve import build_model
from pytest_torchscript.settings import Settings


def test_a_plain_module_keeps_its_weights_and_says_so() -> None:
    module = nn.Linear(3, 4).eval()
    for weights in ("random", "tiny"):
        loaded = built(module, weights=weights)
        assert loaded.module is module
        assert loaded.blueprint.weights == "own"
        assert loaded.notes == (f"weights {weights} asked for: a module of its own is checked with the weights it has",)
    assert built(module).blueprint.weights == "own"
    assert built(module).notes == ()


def test_a_task_that_a_module_at_hand_does_not_have_is_noted() -> None:
    assert built(nn.Linear(3, 4).eval(), task="masked-lm").notes == (
        "task masked-lm asked for: a module of its own is called as it is",
    )
    assert built(nn.Linear(3, 4).eval(), task="default").notes == ()
    loaded = built(small_bert().eval(), task="masked-lm")
    assert loaded.notes == ("task masked-lm asked for: a module at hand is checked as the BertModel it is",)
    assert loaded.blueprint.task == "default"
    assert built(small_bert().eval(), task="default").notes == ()


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
