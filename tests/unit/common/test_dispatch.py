"""What a mode that sees every operation has to know of torch."""

from __future__ import annotations

import torch

from pytest_torchscript.common.dispatch import carry_out, memory_of

EQUAL = torch.ops.aten.equal.default


def test_an_operation_is_run_as_it_was_asked_for() -> None:
    assert carry_out(torch.ops.aten.add.Tensor, (torch.ones(2), 2.0), {"alpha": 2}).tolist() == [5, 5]
    assert carry_out(EQUAL, (torch.ones(2), torch.ones(2)), {})


def test_numbers_that_the_executor_compares_are_compared() -> None:
    assert carry_out(EQUAL, (1.5, 1.5), {})
    assert not carry_out(EQUAL, (1.5, torch.tensor(2.5)), {})


def test_views_share_their_memory_and_sparse_tensors_have_none_of_their_own() -> None:
    tensor = torch.ones(3, 2)
    assert memory_of(tensor[1:]) == memory_of(tensor) != memory_of(tensor.clone())
    assert memory_of(torch.eye(2).to_sparse()) == -1
