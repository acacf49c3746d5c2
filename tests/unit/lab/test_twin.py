"""A tiny twin is asked in place of a model whose weights are not loaded."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pytest_torchscript.lab.twin import Twin
from pytest_torchscript.models.blueprint import Blueprint
from tests.small_models import CONFIG


def twin(weights: str = "random", **values: Any) -> Twin:
    from transformers import BertConfig, BertModel

    return Twin(Blueprint("bert", config=BertConfig(**{**CONFIG, **values}), model_class=BertModel, weights=weights))


def test_it_is_smaller_unless_the_model_is_tiny_already_and_built_once() -> None:
    made = twin(hidden_size=768, num_attention_heads=12, intermediate_size=3072)
    assert sum(each.numel() for each in made.module.parameters()) < 1e6
    assert made.module is made.module
    assert type(made.module).__name__ == "BertModel"
    assert twin("tiny").module.config.hidden_size == CONFIG["hidden_size"]


def test_it_says_how_many_rows_of_features_there_are_and_raises_what_the_model_raises() -> None:
    made, ids = twin("tiny"), torch.ones(2, 5, dtype=torch.int64)
    assert made.rows("forward", {"input_ids": ids}) == 2  # what is pooled is one row a text
    with pytest.raises(AttributeError):
        made.rows("get_picture_features", {"input_ids": ids})
