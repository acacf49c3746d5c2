"""What a mode that sees every operation has to know of torch."""

from __future__ import annotations

import torch

from pytest_torchscript.common.dispatch import carry_out, is_written, memory_of, tensors_in

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


def test_tensors_are_found_at_any_depth_and_in_their_order() -> None:
    one, two, three, four = (torch.tensor(number) for number in range(4))
    asked = ((one, [two, "text"]), {"index": slice(three, None), "more": ({"last": four},)})
    assert [int(tensor) for tensor in tensors_in(asked)] == [0, 1, 2, 3]
    assert list(tensors_in((1, None, "text"))) == []


def test_a_schema_tells_what_an_operation_writes_to() -> None:
    assert [is_written(argument) for argument in torch.ops.aten.add_.Tensor._schema.arguments] == [True, False, False]
    assert not any(
        map(is_written, torch.ops.aten.view.default._schema.arguments)
    )  # it shares the memory, and only looks
