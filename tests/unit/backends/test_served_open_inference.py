"""The Open Inference Protocol: bytes where the server lists them, text that holds every number else."""

from __future__ import annotations

import pytest
import torch

from pytest_torchscript import TensorSpec
from tests import toys
from tests.model_server import serving
from tests.served_models import (
    IN,
    OUT,
    Twice,
    Two,
    flat,
    outcomes,
    put,
    said,
    verdicts,
)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_halves_go_as_bytes_where_the_server_lists_them(dtype):
    name = {torch.float16: "FP16", torch.bfloat16: "BF16"}[dtype]
    inputs = {"x": TensorSpec("batch", "time", 4, dtype=dtype)}
    ports = {"x": (name, (-1, -1, 4))}
    with serving(Twice(), ports, {"output": (name, (-1, -1, 4))}, binary=True) as server:
        result = put(server, Twice(), "outputs", "axis", inputs=inputs)
    assert result.passed
    assert "binary_data_size" in server.bodies[-1]["inputs"][0]["parameters"]
    assert verdicts(result) == {"batch": "dynamic", "time": "dynamic"}


def test_far_whole_numbers_are_refused_with_a_reason():
    inputs = {"x": TensorSpec("batch", dtype=torch.int64, low=2**60, high=2**62)}
    with serving(Twice(), {"x": ("INT64", (-1,))}, {"output": ("INT64", (-1,))}) as server:
        result = put(server, Twice(), inputs=inputs)
    assert outcomes(result)["trace"] == "skipped"
    assert "is beyond 2**53" in said(result, "trace")
    assert not server.bodies


def test_names_in_the_answer_that_are_not_the_metadatas():
    wrong = {"left": "a", "right": "b"}
    ports = {"left": OUT["output"], "right": OUT["output"]}
    with serving(flat(Two(), "left", "right"), IN, ports, wrong=wrong) as server:
        result = put(server, Two(), "trace", "outputs")
        assert result.passed
        assert "by their order: a as ['left'], b as ['right']" in said(result, "trace")
        server.module = flat(Two(), "right", "left")
        assert outcomes(put(server, Two(), "trace", "outputs"))["outputs"] == "failed"


def test_names_that_the_server_does_not_know():
    with serving(toys.Sound(), {"signal": IN["x"]}, OUT, metadata=False) as server:
        result = put(server, toys.Sound())
    assert [name for name, outcome in outcomes(result).items() if outcome == "failed"] == ["outputs"]
    assert "the export raises at the anchor itself" in said(result, "outputs")
    assert "Refused: the server answers 400: unexpected inference input 'x' for model 'toy'" in said(result, "outputs")
    assert "hint: another model? It refuses what eager takes at the anchor: give names" in said(result, "outputs")
