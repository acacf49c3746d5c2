from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import pytest
import torch

from pytest_torchscript.outputs import children, tensor_leaves

A, B = torch.zeros(1), torch.ones(2)
Named = namedtuple("Named", ["first", "second"])


@dataclass
class Record:
    first: torch.Tensor
    second: object


class LayerCache:
    def __init__(self, keys: torch.Tensor) -> None:
        self.keys = keys


class PlainCache:
    def __init__(self) -> None:
        self.layers = [LayerCache(A), LayerCache(B)]
        self.owner_cache = self
        self.name = "cache"


def paths(output: object) -> list[str]:
    return [path for path, _ in tensor_leaves(output)]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (A, ["output"]),
        (3, ["output"]),
        ((A, B), ["[0]", "[1]"]),
        ([A, (B, None)], ["[0]", "[1][0]"]),
        (OrderedDict(logits=A, none=None, past=((A, B),)), ["['logits']", "['past'][0][0]", "['past'][0][1]"]),
        (Named(A, [B]), [".first", ".second[0]"]),
        (Record(A, {"x": B}), [".first", ".second['x']"]),
        ({"cache": PlainCache()}, ["['cache'].layers[0].keys", "['cache'].layers[1].keys"]),
        (None, []),
        ((), []),
        ("text", []),
        ([[], {}], []),
    ],
)
def test_paths_read_as_python_would(output: object, expected: list[str]) -> None:
    assert paths(output) == expected


def test_numbers_become_tensors() -> None:
    leaves = dict(tensor_leaves((True, 2, 3.5, 1j)))
    assert [leaf.dtype for leaf in leaves.values()] == [torch.bool, torch.int64, torch.float32, torch.complex64]
    assert all(leaf.shape == () for leaf in leaves.values())


def test_a_number_that_torch_export_keeps_open_becomes_a_tensor() -> None:
    if not hasattr(torch, "export") or not hasattr(torch.export.Dim, "AUTO"):
        pytest.skip("torch.export has no Dim.AUTO here")

    class Sizes(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return tuple(leaf for _, leaf in tensor_leaves((x + 1, x.shape[0], {"half": x.shape[0] / 2})))

    free = {0: torch.export.Dim.AUTO}
    program = torch.export.export(Sizes(), (torch.zeros(2, 3),), dynamic_shapes=(free,), strict=False)
    _, count, half = program.module()(torch.zeros(5, 3))
    assert (count, count.dtype) == (torch.tensor(5), torch.int64)
    assert (half, half.dtype) == (torch.tensor(2.5), torch.float32)


def test_the_same_tensor_twice_is_two_leaves() -> None:
    shared = (A,)
    assert paths((shared, shared)) == ["[0][0]", "[1][0]"]


def test_transformers_outputs_and_caches() -> None:
    transformers = pytest.importorskip("transformers")
    output = transformers.modeling_outputs.BaseModelOutput(last_hidden_state=A, hidden_states=(A, B))
    assert paths(output) == ["['last_hidden_state']", "['hidden_states'][0]", "['hidden_states'][1]"]
    cache = transformers.DynamicCache()
    cache.update(torch.zeros(1, 1, 2, 3), torch.ones(1, 1, 2, 3), 0)
    assert [tuple(leaf.shape) for _, leaf in tensor_leaves(cache)] == [(1, 1, 2, 3)] * 2


def test_steps_into_a_container() -> None:
    assert children({"a": A}) == [("['a']", A)]
    assert children(A) is None
    assert children(len) is None


class SlidingLayer:
    def __init__(self, seen: int | torch.Tensor) -> None:
        self.keys, self.values, self.seen = A, B, seen


class Loss:
    def __init__(self) -> None:
        self.loss = torch.tensor(1.0)


def test_a_count_that_is_a_tensor_under_the_tracer_alone_is_no_output() -> None:
    assert paths(SlidingLayer(24)) == paths(SlidingLayer(torch.tensor(24))) == [".keys", ".values"]
    assert paths(Loss()) == [".loss"]
