"""How a model is called: by keyword, in a stated order, with tensors in and a flat tuple of tensors out.

Of 86 architectures measured, all trace in this form; by position, nine get their mask into the wrong parameter.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from pytest_torchscript.outputs import tensor_leaves

#: Turns the tensors of one call into the keywords of the model: packs flat caches into the model's own objects.
Pack = Callable[[Mapping[str, torch.Tensor]], Mapping[str, Any]]


class Positional(nn.Module):
    """A model seen through an ordered list of input names: ``forward(*tensors)`` returns its tensors, flat.

    ``constants`` are keywords given at every call (``use_cache=False``); ``pack`` joins flat caches; ``keyword`` False
    calls the model by position, for modules whose forward does not name its parameters.
    """

    def __init__(
        self,
        model: nn.Module,
        names: tuple[str, ...],
        *,
        constants: Mapping[str, Any] | None = None,
        pack: Pack | None = None,
        keyword: bool = True,
    ) -> None:
        super().__init__()
        self.model = model
        self.names = names
        self.constants = dict(constants or {})
        self.pack = pack
        self.keyword = keyword
        self.training = model.training

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the tensors of the model's output, in the order `tensor_leaves` walks it."""
        return tuple(leaf for _, leaf in tensor_leaves(self.call(*tensors)))

    def call(self, *tensors: torch.Tensor) -> Any:
        """Return the model's output as it is."""
        if not self.keyword:
            return self.model(*tensors, **self.constants)
        named: Mapping[str, Any] = dict(zip(self.names, tensors))
        if self.pack is not None:
            named = self.pack(named)
        return self.model(**named, **self.constants)


def takes_keywords(module: nn.Module, names: tuple[str, ...]) -> bool:
    """Whether forward takes all names as keywords; a ScriptModule or ``*args`` forward is called by position."""
    try:
        parameters = inspect.signature(module.forward).parameters
    except (TypeError, ValueError):
        return False
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return True
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return all(name in parameters and parameters[name].kind in kinds for name in names)
