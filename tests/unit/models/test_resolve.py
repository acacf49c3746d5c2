from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_bert import SMALL, built, small_bert
from torch import nn

from pytest_torchscript.errors import ModelError
from pytest_torchscript.models import hub, resolve
from pytest_torchscript.models.blueprint import Blueprint
from pytest_torchscript.models.resolve import count_parameters
from pytest_torchscript.settings import Settings


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
