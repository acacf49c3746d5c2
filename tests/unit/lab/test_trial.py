"""One trial: what it says where eager refuses, the artifact raises, answers agree or differ."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_torchscript.compare.policy import Policy
from pytest_torchscript.lab import trial
from pytest_torchscript.lab.trial import (
    AGREES,
    DIFFERS,
    RAISES,
    REFUSED,
    UNDECIDABLE,
    Judge,
    artifact_error,
    run_artifact,
)
from pytest_torchscript.models.calling import Positional
from pytest_torchscript.models.eager import Eager
from tests import toys

X = {"x": torch.ones(2, 3, 4)}


def judge(model: nn.Module, **settings: object) -> Judge:
    return Judge(Eager(Positional(model.eval(), ("x",))), **settings)


def fails(*tensors: torch.Tensor) -> None:
    raise ValueError("it takes 5 steps")


@pytest.mark.parametrize(
    ("artifact", "status", "line"),
    [
        (lambda x: x * 3, DIFFERS, "output: max |actual - expected| = 1 at (0, 0, 0)"),
        (lambda x: x * 2, AGREES, ""),
        (fails, RAISES, "ValueError: it takes 5 steps"),
        (lambda x: (x, x), DIFFERS, "output: 2 tensors, eager gives 1 tensor"),
    ],
)
def test_what_becomes_of_a_call(artifact, status: str, line: str) -> None:
    class Twice(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 2

    found = judge(Twice()).trial(artifact, X)
    assert (found.status, found.fails) == (status, status in (DIFFERS, RAISES))
    assert "\n".join(found.lines).startswith(line)
    assert (type(found.raised) is ValueError) is (status == RAISES)


def test_what_eager_refuses_is_no_failure_and_the_artifact_is_not_asked() -> None:
    found = judge(toys.OnlyTwelve()).trial(pytest.fail, X)
    assert (found.status, found.fails, found.error) == (REFUSED, False, "ValueError: expected 12 steps, got 3")


def test_eagers_own_rounding_may_be_too_large_to_judge_by() -> None:
    class Noisy(nn.Module):
        """Adds what only half of the numbers of float64 would."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + (0.5 if x.dtype is torch.float32 else 0.0)

    assert judge(Noisy()).trial(lambda x: x + 0.6, X).status == UNDECIDABLE


class InTurn(nn.Module):
    """Sums three places: the large ones first, which leaves nothing to round."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x[:, 0] + x[:, 2]) + x[:, 1]


@pytest.mark.parametrize(
    ("arithmetic", "factor", "status"),
    [("same", 1.0, DIFFERS), ("reordered", 1.0, AGREES), ("reordered", 1.1, DIFFERS)],
)
def test_another_order_of_summation_may_err_where_eager_is_right_by_luck(
    arithmetic: str, factor: float, status: str
) -> None:
    x = torch.tensor([[1e3, 1 / 3, -1e3]]).repeat(4, 1)
    reordered = lambda x: ((x[:, 0] + x[:, 1]) + x[:, 2]) * factor  # noqa: E731
    assert judge(InTurn(), policy=Policy(arithmetic)).trial(reordered, {"x": x}).status == status


def test_numbers_alone_are_not_nudged() -> None:
    assert judge(InTurn(), policy=Policy("reordered")).nudged({"x": torch.ones(2, 3, dtype=torch.int64)}) is None


def test_a_given_tolerance_counts() -> None:
    assert judge(toys.Even(), policy=Policy("same", 0.0, 2.0)).compare(X["x"] + 1, X["x"], X).status == AGREES


def test_shapes_alone_where_there_are_no_values() -> None:
    found = judge(toys.Sound(), shapes_only=True)
    assert found.compare(torch.zeros(2), torch.ones(2), X).status == AGREES
    assert found.compare(torch.zeros(3), torch.ones(2), X).lines == ["shapes [(3,)], eager gives [(2,)]"]


def test_the_wider_copy_is_dropped_when_asked() -> None:
    made = judge(toys.Sound())
    assert made.precise(X).dtype is torch.float64
    made.free()
    assert made._precise is None


class KeepsTheLargest(toys.Sound):
    """Divides by the largest number that it ever met."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("largest", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.largest = torch.maximum(self.largest, x.max())
        return super().forward(x) / self.largest


def test_the_wider_copy_keeps_nothing_from_call_to_call() -> None:
    model = KeepsTheLargest()
    made, fresh = judge(model), judge(model)
    made.precise({"x": torch.full((2, 3, 4), 5.0)})
    assert torch.equal(made.precise(X), fresh.precise(X))


def test_what_the_wider_copy_answers_is_asked_for_once() -> None:
    made = judge(toys.Sound())
    answer = made.precise(X)
    assert made.precise(dict(X)) is answer
    assert made.eager.passes == 1


class ReadsAnothers(toys.Sound):
    """Uses the weights of a layer that it does not call: these cannot be turned layer by layer."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(x, self.linear.weight)


@pytest.mark.parametrize(("free", "measured"), [(1 << 40, True), (None, True), (1, False)])
def test_many_weights_are_turned_as_a_whole_only_where_that_fits(
    free: int | None, measured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_torchscript.models.weights.SPARE", 1)
    monkeypatch.setattr(trial, "free_memory", lambda: free)
    made, whole = judge(toys.Sound()), judge(ReadsAnothers())
    assert made.precise(X).dtype is torch.float64
    assert next(made._precise.model.parameters()).dtype is torch.float32
    assert (whole.precise(X) is not None) == measured
    assert (whole.precise(X) is not None) == measured


def test_an_artifact_gets_clones_and_a_seed() -> None:
    given = torch.ones(3)

    def writes(x: torch.Tensor) -> torch.Tensor:
        return x.mul_(2) + torch.rand(3)

    first, second = (run_artifact(writes, [given], seed=3, device=torch.device("cpu")) for _ in range(2))
    assert torch.equal(first, second)
    assert given.tolist() == [1, 1, 1]


def test_torchscripts_own_message_is_found_behind_its_traceback() -> None:
    said = (
        "The following operation failed in the TorchScript interpreter.\nTraceback:\n  x\nRuntimeError: sizes differ\n"
    )
    assert artifact_error(RuntimeError(said)) == "RuntimeError: sizes differ"
    assert artifact_error(KeyError("x")) == "KeyError: 'x'"
