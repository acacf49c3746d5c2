"""One forward pass of a made-up batch: its scale, how far rows differ, and why a model cannot compute it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from pytest_torchscript.models.probe import probe_error, run_probe


class Config:
    vocab_size = 20
    is_encoder_decoder = False
    use_cache = True


class Text(nn.Module):
    main_input_name = "input_ids"

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.config = Config()
        self.table = nn.Embedding(20, 4)

    def forward(self, input_ids: torch.Tensor) -> Any:
        assert not self.config.use_cache
        return {"hidden": self.table(input_ids), "fill": torch.full((2,), torch.finfo().min)}


class Blind(Text):
    def forward(self, input_ids: torch.Tensor) -> Any:
        return torch.ones(input_ids.shape[0], 3)


class Overflowing(Text):
    def forward(self, input_ids: torch.Tensor) -> Any:
        return self.table(input_ids) * float("inf")


class Misfit(Text):
    def forward(self, input_ids: torch.Tensor) -> Any:
        return self.table(input_ids) @ torch.ones(5, 5)


def test_scale_and_spread_are_those_of_ordinary_leaves() -> None:
    model = Text()
    found = run_probe(model, seed=0)
    assert found is not None
    assert 0 < found.scale <= float(model.table.weight.detach().abs().max())
    assert found.spread > 0.1
    assert model.config.use_cache is True


def test_rows_that_do_not_differ_have_no_spread_and_what_overflows_no_end() -> None:
    assert run_probe(Blind(), seed=0).spread == 0
    assert run_probe(Overflowing(), seed=0).scale == float("inf")


def test_a_pass_can_be_watched_on_a_copy() -> None:
    seen: list[nn.Module] = []
    model = Text()
    run_probe(model, seed=0, watch=seen.append)
    assert isinstance(seen[0], Text)
    assert seen[0] is not model


@pytest.mark.parametrize("model", [nn.Linear(3, 3), Misfit()])
def test_what_cannot_be_run_has_no_response(model: nn.Module) -> None:
    assert run_probe(model, seed=0) is None


def test_a_shape_that_fits_no_other_is_told_and_an_input_we_cannot_make_is_not() -> None:
    assert (probe_error(Misfit(), seed=0) or "").startswith("RuntimeError: ")
    assert probe_error(Text(), seed=0) is None
    assert probe_error(nn.Linear(3, 3), seed=0) is None
