from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from small_bert import SMALL
from torch import nn

from pytest_torchscript.errors import MissingLibraryError, ModelError
from pytest_torchscript.models.construct import (
    NoMetaError,
    build,
    float32_config,
    import_error,
    require_buildable,
    sub_configs,
)
from pytest_torchscript.models.rescale import rescale_weights


class Config:
    """The least that `build` asks of a configuration."""

    def __init__(self, **values: Any) -> None:
        vars(self).update(values)


class Uninitialised(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.forgotten = nn.Parameter(torch.empty(5, 6))
        self.register_buffer("counts", torch.empty(3, dtype=torch.int64))


class ReadsItsWeights(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.scale = self.layer.weight.max().item()


class Refuses(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        raise ValueError(f"width={config.width} is odd")  # type: ignore[attr-defined]


class NeedsMore(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        raise ImportError("needs timm")


def test_built_in_eval_mode_under_one_seed() -> None:
    from transformers import BertConfig, BertModel

    torch.manual_seed(1)
    state = torch.get_rng_state()
    first, second = (build(BertModel, BertConfig(**SMALL)) for _ in range(2))
    assert not first.training
    assert torch.equal(state, torch.get_rng_state())
    for left, right in zip(first.parameters(), second.parameters()):
        assert torch.equal(left, right)


def test_memory_that_nobody_initialised_is_seen_and_drawn() -> None:
    module: Any = build(Uninitialised, Config())
    assert module.forgotten.isnan().all()
    assert module.layer.weight.isfinite().all()
    rescale_weights(module)
    again: Any = build(Uninitialised, Config())
    rescale_weights(again)
    assert module.forgotten.isfinite().all()
    assert torch.equal(module.forgotten, again.forgotten)


def test_many_zeros_are_a_parameter_and_not_allocated_either() -> None:
    class Experts(nn.Module):
        def __init__(self, config: Config) -> None:
            super().__init__()
            self.first = nn.Parameter(torch.zeros(128, 5120, 16384))
            self.second = nn.Parameter(torch.zeros((128, 5120, 16384)))
            self.register_buffer("positions", torch.zeros(7))
            self.third = self.positions.tolist()

    module: Any = build(Experts, Config(), meta=True)
    assert module.first.is_meta
    assert module.second.is_meta
    assert module.third == [0.0] * 7


def test_what_fills_weights_is_left_out_where_there_are_none() -> None:
    filled = []

    class Fills(nn.Module):
        def __init__(self, config: object) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.empty(3, 3))
            filled.append(nn.init.normal_(self.weight) is self.weight)
            filled.append(nn.init.kaiming_uniform_(tensor=self.weight) is self.weight)
            filled.append(not self.weight.is_meta and bool(self.weight.isfinite().all()))

    build(Fills, Config(), meta=True)
    build(Fills, Config())
    assert filled == [True, True, False, True, True, True]


def test_meta_holds_no_weights() -> None:
    from transformers import BertConfig, BertModel

    module = build(BertModel, BertConfig(hidden_size=8192, num_attention_heads=64, num_hidden_layers=4), meta=True)
    assert all(tensor.is_meta for tensor in (*module.parameters(), *module.buffers()))
    assert sum(parameter.numel() for parameter in module.parameters()) > 5e8


def test_what_cannot_be_built_says_why() -> None:
    with pytest.raises(
        ModelError, match=r"Refuses: cannot be built from its configuration: ValueError: width=3 is odd"
    ):
        build(Refuses, Config(width=3))
    with pytest.raises(ModelError, match=r"NeedsMore: cannot be built: ImportError: needs timm"):
        build(NeedsMore, Config())
    with pytest.raises(NoMetaError, match=r"ReadsItsWeights: cannot be built without weights") as caught:
        build(ReadsItsWeights, Config(), meta=True)
    assert "tiny or random" in caught.value.hint
    assert require_buildable(ReadsItsWeights, Config()) is None
    with pytest.raises(ModelError, match="from its configuration"):
        require_buildable(Refuses, Config(width=3))


def test_float32_everywhere() -> None:
    from transformers import CLIPConfig

    config = CLIPConfig()
    for part in sub_configs(config):
        part.torch_dtype = torch.bfloat16
    changed = float32_config(config)
    assert {part.torch_dtype for part in sub_configs(changed)} == {torch.float32}
    assert {part.torch_dtype for part in sub_configs(config)} == {torch.bfloat16}


PRINT_SUM = """
from pytest_torchscript.models.construct import build
from pytest_torchscript.models.rescale import rescale_weights
from transformers import BertConfig, BertModel
model = build(BertModel, BertConfig(vocab_size=50, hidden_size=32, num_hidden_layers=1, num_attention_heads=2))
rescale_weights(model)
print(*[parameter.double().sum().item() for parameter in model.parameters()])
"""


@pytest.mark.process
def test_two_processes_build_equal_weights() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    results = {
        subprocess.run(
            [sys.executable, "-c", PRINT_SUM], env=environment, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(results) == 1


def test_a_library_that_is_not_there_is_told_from_an_import_that_fails() -> None:
    absent = import_error("Voices", ModuleNotFoundError("No module named 'voices'"))
    assert isinstance(absent, MissingLibraryError)
    assert str(absent) == (
        "Voices: cannot be built: ModuleNotFoundError: No module named 'voices'\n    hint: install what the model needs"
    )
    assert not isinstance(
        import_error("Voices", ImportError("cannot import name 'old' from 'torch'")), MissingLibraryError
    )
