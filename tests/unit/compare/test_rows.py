from __future__ import annotations

import pytest
import torch

from pytest_torchscript.compare.policy import Policy
from pytest_torchscript.compare.rows import apart


def test_rows_may_differ_by_what_the_arithmetic_makes_of_other_shapes():
    assert Policy("bf16").row_share == 1.6e-2
    assert Policy("same").row_share == Policy("reordered").row_share == pytest.approx(32 * 1.3e-6)
    alone = torch.ones(4)
    assert apart(alone + 1e-5, alone, Policy().row_share) is None
    assert apart(alone + 1e-4, alone, Policy().row_share) is not None
    assert apart(alone + 1e-2, alone, Policy("bf16").row_share) is None


NAN = float("nan")


@pytest.mark.parametrize(
    ("together", "alone", "found"),
    [
        (torch.ones(3), torch.ones(3), None),
        (torch.tensor([1.0, 2.5]), torch.tensor([1.0, 2.0]), (0.5, 0.2)),
        (torch.ones(3), torch.ones(2), (float("inf"), 0.0)),
        (torch.tensor([1.0, NAN]), torch.tensor([1.0, 2.0]), (float("inf"), 0.0)),
        (torch.tensor([NAN]), torch.tensor([NAN]), None),
        (torch.tensor([1, 2, 3]), torch.tensor([1, 5, 6]), (2.0, 0.0)),
        (torch.tensor([True]), torch.tensor([True]), None),
    ],
)
def test_how_far_rows_are_apart(together: torch.Tensor, alone: torch.Tensor, found: tuple[float, float] | None) -> None:
    assert apart(together, alone, 0.1) == (None if found is None else pytest.approx(found))
