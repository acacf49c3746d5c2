"""Values that are followed in a model without any: what code reads is what a real model would have there."""

from __future__ import annotations

from typing import Any, Callable

import pytest
import torch

from pytest_torchscript.common import jit
from pytest_torchscript.models.known_values import LARGEST, KnownValues
from pytest_torchscript.tracing.trace import warned_lines

MASK = torch.tensor([[1, 1, 1], [1, 1, 0]])


def run(call: Callable[[torch.Tensor], Any], value: torch.Tensor = MASK) -> tuple[Any, list[str]]:
    """Call something with a tensor that holds nothing and whose value is known; return what it reads, and who read."""
    told: list[str] = []
    tensor = value.to("meta")
    with torch.no_grad(), KnownValues([(tensor, value.clone())], told.append):
        return call(tensor), told


def test_what_follows_from_a_known_value_can_be_read() -> None:
    found, told = run(lambda mask: (bool(mask.all()), int(mask.sum(1).max()), mask.sum(1).tolist(), float(mask[1, 2])))
    assert found == (False, 3, [3, 2], 0.0)
    assert set(told) == {line for line in told if line.startswith("test_known_values.py:")} != set()


def test_a_shape_that_depends_on_values_is_theirs() -> None:
    found, _ = run(lambda mask: mask.nonzero())
    assert found.is_meta
    assert found.shape == (5, 2)
    assert run(lambda mask: mask.nonzero()[-1].tolist())[0] == [1, 1]


def test_constants_of_the_model_are_known_too() -> None:
    def call(mask: torch.Tensor) -> bool:
        positions = torch.arange(3, device=mask.device).expand(2, 3)
        return bool((positions.cumsum(-1)[:, -1] == 3).all())

    assert run(call) == (True, [run(call)[1][0]])


def test_what_is_written_is_seen_through_every_view() -> None:
    def call(mask: torch.Tensor) -> list[int]:
        row = mask[0]
        mask[:, 1] = 7
        row.view(-1)[2:].fill_(5)
        return [int(value) for value in row]

    assert run(call)[0] == [1, 7, 5]


@pytest.mark.parametrize(
    "unknown",
    [
        lambda mask: (mask * torch.empty(3, device="meta")).sum(),
        lambda mask: torch.rand(3, device=mask.device).sum(),
        lambda mask: mask.float().copy_(torch.empty(2, 3, device="meta")).sum(),
        lambda mask: torch.nn.functional.linear(mask.float(), torch.empty(1, 3, device="meta")).sum(),
    ],
)
def test_what_depends_on_a_weight_is_refused_as_before(unknown: Callable[[torch.Tensor], torch.Tensor]) -> None:
    with pytest.raises((RuntimeError, NotImplementedError), match=r"(?i)meta"):
        run(lambda mask: float(unknown(mask)))


def test_a_view_of_what_was_overwritten_is_unknown() -> None:
    def call(mask: torch.Tensor) -> int:
        row = mask[0]
        mask.copy_(torch.empty(2, 3, dtype=torch.int64, device="meta"))
        return int(row[0])

    with pytest.raises((RuntimeError, NotImplementedError), match=r"(?i)meta"):
        run(call)


def test_what_is_large_is_not_followed() -> None:
    with pytest.raises((RuntimeError, NotImplementedError), match=r"(?i)meta"):
        run(lambda mask: bool((mask[:1] + torch.zeros(1, device=mask.device)).all()), torch.ones(2, LARGEST // 2 + 1))


def test_tensors_with_values_are_left_alone() -> None:
    assert run(lambda _: float(torch.full((2,), 3.0).sum())) == (6.0, [])
    found, _ = run(lambda mask: mask.float())
    assert found.is_meta


def test_a_trace_records_no_more_than_it_would_with_values() -> None:
    def branch(mask: torch.Tensor) -> torch.Tensor:
        return mask + int(mask.sum()) if mask.all() else mask

    def traced(tensor: torch.Tensor) -> list[str]:
        with warned_lines():
            graph = jit.trace(branch, (tensor,)).inlined_graph
        return [node.kind() for node in graph.nodes()]

    ones = torch.ones_like(MASK)
    assert run(traced, ones)[0] == traced(ones)
