"""Both sides run once for each size, and a size is not blamed for what values alone explain."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_torchscript import TensorSpec
from pytest_torchscript.backends.base import Spent
from pytest_torchscript.errors import BackendError, MachineFailure
from pytest_torchscript.lab.trial import AGREES, DIFFERS, RAISES
from tests import toys
from tests.asking import lab_of


class OutOfRoomAtTwenty(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[1] == 20:
            raise MemoryError
        return x * 2


@pytest.mark.parametrize(
    ("model", "status"), [(toys.Sound(), AGREES), (toys.FrozenMean(), DIFFERS), (toys.FrozenView(), RAISES)]
)
def test_a_size_is_tried_once(model: nn.Module, status: str) -> None:
    lab = lab_of(model)
    sizes = {**lab.sizes, "time": 23}
    first = lab.bench.at(sizes)
    assert first.status == status
    passes = lab.subject.passes.count
    assert lab.bench.at(dict(reversed(sizes.items()))) is first
    assert lab.subject.passes.count == passes


def test_at_the_anchor_the_example_is_asked_and_eager_is_not_again() -> None:
    lab = lab_of(toys.Doubled())
    assert lab.subject.answer is not None
    passes = lab.subject.eager.passes
    assert lab.bench.at(lab.sizes).status == DIFFERS
    assert lab.subject.eager.passes <= passes + 1  # one more to measure the rounding


def test_what_the_machine_could_not_do_is_not_tried_again() -> None:
    lab = lab_of(OutOfRoomAtTwenty())
    sizes = {**lab.sizes, "time": 20}
    with pytest.raises(MachineFailure):
        lab.bench.at(sizes)
    passes = lab.subject.passes.count
    with pytest.raises(MachineFailure):
        lab.bench.at(sizes)
    assert lab.subject.passes.count == passes
    assert lab.bench.moved_beyond() == {"time"}


def test_a_size_is_not_blamed_for_a_branch_on_values() -> None:
    class Sometimes(nn.Module):
        """Its branch is another one where the first number is negative, at any size."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 2 if bool(x.flatten()[0] > 0) else x * 3

    lab = lab_of(Sometimes())
    assert lab.bench.wrong_values is not None
    assert not any(lab.bench.at({**lab.sizes, "time": size}).fails for size in (5, 7, 12, 23))


def test_values_are_tried_up_to_the_first_that_fails() -> None:
    assert lab_of(toys.Sound()).bench.wrong_values is None
    bench = lab_of(toys.FrozenSign()).bench
    assert [trial.fails for _, _, trial in bench.values_tried] == [*[False] * (len(bench.values_tried) - 1), True]
    assert bench.wrong_values is bench.values_tried[-1]


def test_a_spent_budget_is_no_verdict_and_may_be_asked_again() -> None:
    lab = lab_of(toys.Sound())
    made, asked = lab.export.artifact, []

    def artifact(*tensors: torch.Tensor) -> object:
        asked.append(1)
        if len(asked) == 1:
            raise Spent("asked often enough")
        return made(*tensors)

    lab.export.made = artifact
    assert lab.bench.afforded({**lab.sizes, "time": 9}) is None
    assert lab.bench.afforded({**lab.sizes, "time": 9}).status == AGREES


def test_without_weights_shapes_alone_are_compared() -> None:
    lab = lab_of(nn.Linear(4, 2), inputs={"input": TensorSpec("batch", 4)}, weights="meta")
    assert lab.bench.judge.shapes_only
    assert lab.bench.at({"batch": 5}).status == AGREES


def test_a_failure_of_the_machine_keeps_its_words() -> None:
    lab = lab_of(OutOfRoomAtTwenty())
    with pytest.raises(MachineFailure) as caught:
        lab.bench.at({**lab.sizes, "time": 20})
    assert isinstance(caught.value.error, BackendError)
    assert caught.value.error.message.startswith("out of memory, with x of (")
