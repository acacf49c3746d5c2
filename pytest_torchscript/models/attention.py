"""A second model with the same weights whose attention is written out, so that it can return its attentions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import nn

from pytest_torchscript.errors import ModelError
from pytest_torchscript.models.construct import build, sub_configs
from pytest_torchscript.models.resolve import LoadedModel

_HEADS = re.compile(r"(^|_)heads?$")


def with_eager_attention(loaded: LoadedModel) -> nn.Module | None:
    """Return a model of the same weights and ``attn_implementation="eager"``; None where the architecture has none.

    Parameters are shared, not copied; buffers are copies. Also None where no second model can be built from the
    configuration (then the first one was not built from it either).
    """
    config, model_class = loaded.blueprint.config, loaded.blueprint.model_class
    if config is None or model_class is None or not has_attention(config):
        return None
    if all(getattr(part, "_attn_implementation", None) in (None, "eager") for part in sub_configs(config)) and (
        _implementation(loaded.module) == "eager"
    ):
        return loaded.module
    config = with_implementation(config, "eager")
    try:
        module = build(model_class, config, meta=True)
    except ModelError:
        return None
    return module.eval() if share_tensors(module, loaded.module) else None


def has_attention(config: Any) -> bool:
    """Whether a configuration, or one inside it, counts attention heads."""
    names = (
        "num_attention_heads",
        "num_heads",
        "n_head",
        "n_heads",
        "encoder_attention_heads",
        "decoder_attention_heads",
    )
    return any(getattr(part, name, None) for part in sub_configs(config) for name in names) or any(
        bool(value) and bool(_HEADS.search(name)) for part in sub_configs(config) for name, value in vars(part).items()
    )


def with_implementation(config: Any, implementation: str) -> Any:
    """Return a copy of a configuration that asks for one implementation of attention everywhere."""
    import copy

    config = copy.deepcopy(config)
    for part in sub_configs(config):
        part._attn_implementation = implementation
        if "_attn_implementation_autoset" in vars(part) or hasattr(type(part), "_attn_implementation_autoset"):
            part._attn_implementation_autoset = False
    return config


def share_tensors(module: nn.Module, source: nn.Module) -> bool:
    """Put the parameters of `source`, and copies of its buffers, in place of a module's own; False where one is missing.

    By modules, because torch 1.13 cannot list a tensor under all of its names.
    """
    sources = dict(source.named_modules(remove_duplicate=False))
    pairs = [(child, sources.get(prefix, nn.Module())) for prefix, child in module.named_modules()]
    if not all(
        _holds(twin._parameters, child._parameters) and _holds(twin._buffers, child._buffers) for child, twin in pairs
    ):
        return False
    for child, twin in pairs:
        child._parameters.update({name: twin._parameters.get(name) for name in child._parameters})
        copies = {name: twin._buffers.get(name) for name in child._buffers}
        child._buffers.update({name: None if buffer is None else buffer.clone() for name, buffer in copies.items()})
    return True


def _holds(tensors: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(tensor is None or tensors.get(name) is not None for name, tensor in wanted.items())


def _implementation(module: nn.Module) -> str | None:
    return getattr(getattr(module, "config", None), "_attn_implementation", None)
