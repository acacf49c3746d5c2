"""A very small BERT, ways to break its checkpoint, and models built as a run builds them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pytest_torchscript.models.blueprint import Blueprint, plan_module
from pytest_torchscript.models.resolve import LoadedModel, build_model
from pytest_torchscript.settings import Settings

SMALL = {
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 32,
}


def set_config(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def keep_tensors(folder: Path, keep: Callable[[str], bool]) -> None:
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    save_file({name: tensor for name, tensor in load_file(path).items() if keep(name)}, path, metadata={"format": "pt"})


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
