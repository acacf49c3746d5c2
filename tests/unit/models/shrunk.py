"""Configurations of transformers by name, as they are and shrunk."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_torchscript.models.shrink import shrink_config
from pytest_torchscript.models.tasks import model_class_for


def config_of(name: str, **values: Any) -> Any:
    import torch
    import transformers

    if name == "ModernBert" and torch.__version__.startswith("1."):
        pytest.skip("ModernBERT cannot be imported with torch 1")
    kind = getattr(transformers, f"{name}Config", None)
    if kind is None:
        pytest.skip(f"transformers {transformers.__version__} has no {name}Config")
    return kind(**values)


def shrunk(name: str, task: str = "default", **values: Any) -> Any:
    config = config_of(name, **values)
    return shrink_config(config, model_class_for(config, task))
