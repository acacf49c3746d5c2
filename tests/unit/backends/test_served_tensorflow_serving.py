"""TensorFlow Serving's REST: rows or columns, whichever the server takes."""

from __future__ import annotations

import torch
from torch import nn

from pytest_torchscript import TensorSpec
from tests import toys
from tests.model_server import serving
from tests.served_models import (
    IN,
    OUT,
    TEXT_IN,
    TEXT_OUT,
    Masked,
    Two,
    flat,
    put,
    said,
)


def test_rows_are_used_where_columns_are_refused():
    with serving(Masked(), TEXT_IN, TEXT_OUT, rows_only=True, metadata=False) as server:
        result = put(server, Masked(), version="v1", inputs=toys.TEXT)
    assert result.passed
    assert "the server takes rows alone" in said(result, "trace")
    assert "instances" in server.bodies[-1]


def test_rows_and_columns_by_option():
    with serving(Two(), IN, {"left": OUT["output"], "right": OUT["output"]}) as server:
        for form, key in (("rows", "instances"), ("columns", "inputs")):
            server.module = flat(Two(), "left", "right")
            assert put(server, Two(), "outputs", "axis", version="v1", served={"form": form}).passed
            assert key in server.bodies[-1]


class Pair(nn.Module):
    """Two inputs with a batch each."""

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return left @ right.transpose(0, 1)


def test_rows_need_one_batch():
    inputs = {"left": TensorSpec("lefts", 4), "right": TensorSpec("rights", 4)}
    ports = {"left": ("FP32", (-1, 4)), "right": ("FP32", (-1, 4))}
    with serving(Pair(), ports, {"output": ("FP32", (-1, -1))}) as server:
        result = put(
            server, Pair(), "trace", version="v1", inputs=inputs, served={"form": "rows"}, anchor={"rights": 7}
        )
        assert "in the form of rows every input needs the same number of them" in said(result, "trace")
        assert put(server, Pair(), "axis", version="v1", inputs=inputs).passed
