"""Dropout that is on is named by the function that was called; what is off is not spoken of."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from pytest_torchscript.models.randomness import active_dropout

X = torch.ones(2, 3)
HEADS = torch.ones(1, 2, 3, 4)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: functional.dropout(X, 0.25, training=True), "dropout(p=0.25)"),
        (lambda: nn.Dropout(0.5).train()(X), "dropout(p=0.5)"),
        (lambda: torch.dropout(X, 0.1, True), "dropout(p=0.1)"),
        (lambda: functional.alpha_dropout(X, 0.5, training=True), "alpha_dropout(p=0.5)"),
        (lambda: nn.Dropout(0.5).eval()(X), ""),
        (lambda: functional.dropout(X, 0.0, training=True), ""),
        (lambda: X + torch.rand(3), ""),
    ],
)
def test_what_is_on_is_named(call, said: str) -> None:
    assert active_dropout(call) == said


@pytest.mark.skipif(not hasattr(functional, "scaled_dot_product_attention"), reason="torch has no fused attention")
def test_fused_attention_has_a_dropout_of_its_own() -> None:
    attend = functional.scaled_dot_product_attention
    assert active_dropout(lambda: attend(HEADS, HEADS, HEADS, dropout_p=0.5)).endswith("(dropout_p=0.5)")
    assert active_dropout(lambda: attend(HEADS, HEADS, HEADS)) == ""
