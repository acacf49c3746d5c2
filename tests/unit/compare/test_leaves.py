from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import pytest
import torch

from pytest_torchscript.compare.compare import compare_outputs
from pytest_torchscript.compare.leaves import pair_leaves

A, B = torch.zeros(2), torch.ones(3)
Named = namedtuple("Named", ["first", "second"])


@dataclass
class Record:
    first: torch.Tensor
    second: torch.Tensor


class FakeCache:
    def __init__(self, *layers: torch.Tensor) -> None:
        self.layers = [FakeLayerCache(layer) for layer in layers]


class FakeLayerCache:
    def __init__(self, keys: torch.Tensor) -> None:
        self.keys = keys


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (A, A),
        ((A,), A),
        ([A, B], (A, B)),
        ((A, B), {"x": A, "y": B}),
        ((A, B), OrderedDict(x=A, y=None, z=(B,))),
        ({"x": A, "y": B}, {"y": B, "x": A}),
        ({"x": A}, OrderedDict(x=A, y=None, z=())),
        ((A, []), (A,)),
        ((A, [], []), A),
        ((A,), (A, ())),
        ((A, [B, []]), (A, (B,))),
        ((A, (B,)), (A, [B], None)),
        (((A,), B), Named((A,), B)),
        ((A, B), Record(A, B)),
        ((A, B), FakeCache(A, B)),
        (({"k": A}, B), ({"k": A}, FakeCache(B))),
        ((A, ((B,), (A,))), (A, FakeCache(B, A))),
        ((torch.tensor(3),), 3),
        ((None, A), (None, A)),
        ({}, {}),
        ((), None),
    ],
)
def test_structures_that_agree(actual: object, expected: object) -> None:
    assert compare_outputs(actual, expected).agrees


@pytest.mark.parametrize(
    ("actual", "expected", "path", "got", "wanted"),
    [
        ((A,), (A, B), "output", "1 tensor", "2 tensors"),
        ((A, B, B), {"x": A, "y": B}, "output", "3 tensors", "2 tensors"),
        ({"x": A}, {"x": A, "y": B}, "['y']", "nothing", "1 tensor"),
        ({"x": A, "z": (B, B)}, {"x": A}, "['z']", "2 tensors", "nothing"),
        ((A, (B, A)), ((A, B), A), "[0]", "1 tensor", "2 tensors"),
        ((None, A), (A, None), "output", "2 items", "1 items"),
        ((None, A, B), (A, None, B), "[0]", "nothing", "1 tensor"),
        ({"x": (A, B)}, {"x": (A,)}, "['x']", "2 items", "1 items"),
        ((A, {"k": B}), (A, FakeCache(B, B)), "[1]", "1 tensor", "2 tensors"),
        ((), A, "output", "nothing", "1 tensor"),
    ],
)
def test_structures_that_differ(actual: object, expected: object, path: str, got: str, wanted: str) -> None:
    found = compare_outputs(actual, expected)
    assert found.status == "different"
    first = found.mismatches[0]
    assert (first.path, first.kind, first.actual, first.expected) == (path, "structure", got, wanted)


def test_paths_are_those_of_eager() -> None:
    expected = OrderedDict(logits=A, past=((B, A), (B, A)))
    paired = pair_leaves((A, B, A, B, A), expected)
    assert [pair.path for pair in paired.pairs][:3] == ["['logits']", "['past'][0][0]", "['past'][0][1]"]
    nested = pair_leaves({"logits": A, "past": [[B, A], [B, A]]}, expected)
    assert [pair.path for pair in nested.pairs] == [pair.path for pair in paired.pairs]
    assert [pair.path for pair in pair_leaves((A,), A).pairs] == ["output"]
    assert [pair.path for pair in pair_leaves({"x": [A]}, {"x": A}).pairs] == ["['x']"]


def test_a_swapped_pair_is_a_difference_of_values_or_shape() -> None:
    found = compare_outputs((B, A), {"x": A, "y": B})
    assert [mismatch.kind for mismatch in found.mismatches] == ["shape", "shape"]


def test_all_leaves_are_judged_even_where_the_structure_differs() -> None:
    found = compare_outputs({"x": A + 1}, {"x": A, "y": B})
    assert {mismatch.path for mismatch in found.mismatches} == {"['x']", "['y']"}
