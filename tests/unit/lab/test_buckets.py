"""Fixed sizes in use: the smallest that holds an input, and what is cut from its answer."""

from __future__ import annotations

import pytest
import torch

from pytest_torchscript import Axis
from pytest_torchscript.errors import InputError
from pytest_torchscript.lab.buckets import Buckets, bucket_targets
from pytest_torchscript.lab.signature import signature_of
from pytest_torchscript.results import Signature
from tests import toys
from tests.asking import lab_of


@pytest.fixture
def buckets() -> Buckets:
    lab = lab_of(toys.Sound(), axes={"time": Axis("time", sizes=(4, 8)), "batch": Axis("batch", sizes=(2,))})
    return Buckets(lab, bucket_targets(lab), ("time",), signature_of(lab.subject, moving=lab.spec.axes))


def test_every_declared_size_is_a_bucket_and_without_one_the_anchor(buckets: Buckets) -> None:
    assert buckets.targets == [{"batch": 2, "time": 4}, {"batch": 2, "time": 8}]
    lab = lab_of(toys.Sound(), anchor={"batch": 3, "time": 7})
    assert bucket_targets(lab) == [{"batch": 3, "time": 7}]


def test_the_smallest_that_fits_is_chosen(buckets: Buckets) -> None:
    assert [buckets.choose({"batch": 2, "time": size})["time"] for size in (1, 4, 5, 8)] == [4, 4, 8, 8]


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"batch": 2, "time": 9}, "axis 'time': size 9 is larger than the largest bucket, 8\n.*time=8,9"),
        ({"batch": 1, "time": 3}, "no bucket holds inputs of {'batch': 1, 'time': 3}"),
    ],
)
def test_what_fits_none_is_told(buckets: Buckets, sizes: dict[str, int], said: str) -> None:
    with pytest.raises(InputError, match=said):
        buckets.choose(sizes)


def test_an_input_is_padded_and_its_answer_cut_back(buckets: Buckets) -> None:
    sizes = {"batch": 2, "time": 3}
    inputs = {"x": torch.rand(2, 3, 4)}
    expected = buckets.lab.subject.eager(inputs)
    (answer,) = buckets.crop(buckets.run(inputs, sizes), sizes, [expected.shape])
    assert torch.allclose(answer, expected, atol=1e-6)
    assert buckets.artifact(buckets.targets[0]) is buckets.artifact(buckets.targets[0])


def test_positions_that_do_not_move_stay_behind_the_gap(buckets: Buckets) -> None:
    one = torch.arange(5)
    (kept,) = Buckets(buckets.lab, [{"time": 4}], ("time",), Signature({}, {"output": ["time"]})).crop(
        one, {"time": 2}, [(3,)], gap=True
    )
    assert kept.tolist() == [0, 1, 4]


def test_answers_that_are_not_those_of_the_signature_are_left_alone(buckets: Buckets) -> None:
    two = (torch.zeros(8), torch.ones(8))
    found = buckets.crop(two, {"batch": 2, "time": 3}, [(3,), (3,)])
    assert [len(leaf) for leaf in found] == [8, 8]
