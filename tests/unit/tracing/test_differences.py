"""What two traces do not share, as evidence a person can read."""

from __future__ import annotations

import pytest
import torch
from recorded import recording
from torch import nn

from pytest_torchscript.tracing.differences import (
    ANOTHER_RESULT,
    OUTPUTS,
    SCALAR,
    STRUCTURE,
    TENSOR,
    WIRING,
    find_differences,
    int_or_none,
    show,
    tensor_evidence,
)


def test_tensor_constants_are_told_apart() -> None:
    ones = torch.ones(2)
    assert tensor_evidence(ones, ones.clone()) == ""
    assert tensor_evidence(torch.tensor([float("nan")]), torch.tensor([float("nan")])) == ""
    assert tensor_evidence(ones.to("meta"), ones.to("meta")) == ""
    assert tensor_evidence(ones, torch.ones(3)) == "constant of shape (2,) became (3,)"
    assert tensor_evidence(ones, ones.int()) == "constant of torch.float32 became torch.int32"
    assert tensor_evidence(ones, ones.to("meta")) == "constant on cpu became one on meta"
    assert tensor_evidence(torch.tensor(7), torch.tensor(11)) == "7 became 11"
    changed = tensor_evidence(ones, torch.tensor([1.0, 3.5]))
    assert changed == "the values of a constant of shape (2,) changed (1.0 became 3.5)"


class Divides(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / float(x.shape[1])


class MakesATable(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.tensor([1.0] * int(x.shape[1]))


class ChoosesAnother(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        left, right = x.exp(), x.sin()
        return (left if x.shape[1] < 4 else right) * 2, left, right


class Grows(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(x[:, at] for at in range(x.shape[1]))


class Sound(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / x.shape[1]


@pytest.mark.parametrize(
    ("model", "kind", "evidence"),
    [
        (Divides(), {SCALAR, TENSOR}, "3 became 5"),
        (MakesATable(), {TENSOR}, "constant of shape (3,) became (5,)"),
        (ChoosesAnother(), {WIRING}, ANOTHER_RESULT),
        (Grows(), {OUTPUTS, STRUCTURE}, ""),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_each_kind_of_difference(model: nn.Module, kind: set[str], evidence: str) -> None:
    found = find_differences(recording(model, 2, 3), recording(model, 2, 5))
    assert {difference.kind for difference in found} <= kind
    assert found
    assert any(evidence in difference.evidence.replace(".0", "") for difference in found)


def test_a_size_that_is_computed_is_no_difference() -> None:
    assert find_differences(recording(Sound(), 2, 3), recording(Sound(), 2, 5)) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3.0"),
        (1 / 3, "0.333333"),
        (True, "True"),
        ("x" * 90, f"'{'x' * 56}..."),
        (torch.tensor(4), "4"),
        (torch.ones(2, 3), "a constant of shape (2, 3)"),
    ],
)
def test_values_are_shown_short(value: object, text: str) -> None:
    assert show(value) == text


def test_whole_numbers_are_known_in_any_type() -> None:
    assert [int_or_none(value) for value in (3, 3.0, 2.5, True, "3", float("inf"))] == [3, 3, None, None, None, None]
