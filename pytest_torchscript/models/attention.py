"""A second model with the same weights whose attention is written out, so that it can return its attentions."""

from __future__ import annotations

import re
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
    """Put the parameters of `source`, and copies of its buffers, in place of a module's own; False where one is left."""
    parameters = dict(source.named_parameters(remove_duplicate=False))
    buffers = dict(source.named_buffers(remove_duplicate=False))
    for prefix, child in module.named_modules():
        for name in list(child._parameters):
            found = parameters.get(f"{prefix}.{name}" if prefix else name)
            if child._parameters[name] is not None and found is None:
                return False
            child._parameters[name] = found
        for name in list(child._buffers):
            buffer = buffers.get(f"{prefix}.{name}" if prefix else name)
            if child._buffers[name] is not None and buffer is None:
                return False
            child._buffers[name] = buffer.clone() if buffer is not None else None
    return True


def _implementation(module: nn.Module) -> str | None:
    return getattr(getattr(module, "config", None), "_attn_implementation", None)
