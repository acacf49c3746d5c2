"""A tiny twin of a transformers model: it takes what the model takes, and can be asked before any weight is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import nn

from pytest_torchscript.common.copying import copy_module
from pytest_torchscript.models.blueprint import TINY, Blueprint
from pytest_torchscript.models.construct import build
from pytest_torchscript.models.shrink import shrink_config
from pytest_torchscript.outputs import tensor_leaves


@dataclass
class Twin:
    """The twin of a blueprint's model, built when first asked."""

    blueprint: Blueprint

    @cached_property
    def module(self) -> nn.Module:
        """The twin. Raises ModelError where it cannot be built."""
        config, model_class = self.blueprint.config, self.blueprint.model_class
        assert model_class is not None
        return build(model_class, config if self.blueprint.weights == TINY else shrink_config(config, model_class))

    def rows(self, method: str, arguments: Mapping[str, Any]) -> int:
        """Return how many rows of features a method of the model makes. Raises what the model raises."""
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            made = getattr(copy_module(self.module), method)(**arguments)
        features = getattr(made, "pooler_output", made)
        return sum(leaf.numel() // leaf.shape[-1] for _, leaf in tensor_leaves(features))
