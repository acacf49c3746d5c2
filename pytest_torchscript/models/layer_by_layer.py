"""A model that computes in a wider dtype and holds no second copy of its weights: each layer's are turned as its turn comes."""

from __future__ import annotations

from typing import Any, Callable

import torch
from torch import nn

from pytest_torchscript.common.copying import copy_module


def layer_by_layer(module: Any, dtype: torch.dtype) -> Any:
    """Return a copy that shares a module's weights and computes in another dtype; it costs the weights of its largest layer.

    Only where every part reads its own parameters, and those alone: one that is fed another's raises when it is called, as
    operations do that are given two dtypes. Raises TypeError for scripted parts, which take no hooks.
    """
    copied = copy_module(module)
    for part in copied.modules():
        if isinstance(part, torch.jit.ScriptModule):
            raise TypeError(f"{type(part).__name__} is scripted: its weights are turned all at once or not at all")
        for name, buffer in part._buffers.items():
            if buffer is not None and buffer.is_floating_point():
                part._buffers[name] = buffer.to(dtype)
        own = {
            name: weight
            for name, weight in part._parameters.items()
            if weight is not None and weight.is_floating_point()
        }
        if own:
            part.register_forward_pre_hook(_turn(own, dtype))
            part.register_forward_hook(_turn_back(own))
    return copied


def _turn(own: dict[str, nn.Parameter], dtype: torch.dtype) -> Callable[..., None]:
    def before(part: nn.Module, _arguments: Any) -> None:
        for name, weight in own.items():
            part._parameters[name] = nn.Parameter(weight.detach().to(dtype), requires_grad=False)

    return before


def _turn_back(own: dict[str, nn.Parameter]) -> Callable[..., None]:
    def after(part: nn.Module, _arguments: Any, _answer: Any) -> None:
        part._parameters.update(own)

    return after
