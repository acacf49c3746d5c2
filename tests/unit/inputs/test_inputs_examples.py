"""What may be drawn beside example tensors: eager is asked, and the examples are used in other orders, or alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from pytest_torchscript.inputs.declare import propose_axes
from pytest_torchscript.inputs.examples import ALONE, FromExample, is_kept
from pytest_torchscript.inputs.values import make_inputs, variations
from pytest_torchscript.spec import InputSpec


def proposed(function: Callable[..., Any], **examples: torch.Tensor) -> InputSpec:
    def accepts(inputs: dict[str, torch.Tensor]) -> bool:
        try:
            function(**inputs)
        except Exception:
            return False
        return True

    return propose_axes(accepts, examples)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_values_are_drawn_where_eager_takes_them() -> None:
    spec = proposed(lambda x, ids: x[ids], x=torch.randn(5, 3), ids=torch.tensor([0, 4]))
    assert spec.notes == ()
    assert spec["ids"].fill is None
    assert (spec["ids"].low, spec["ids"].high) == (0, 5)


def split(values: torch.Tensor, lengths: torch.Tensor) -> list[torch.Tensor]:
    return list(values.split(lengths.tolist()))


def test_what_sums_is_drawn_in_other_orders() -> None:
    lengths = torch.tensor([4, 5, 3])
    spec = proposed(split, values=torch.randn(12), lengths=lengths)
    refused = "lengths: eager refuses values drawn from the example's range"
    assert spec.notes == (f"{refused}; the values of the example are used in other orders",)
    drawn = [make_inputs(spec, spec.sizes_of(spec.examples), seed)["lengths"] for seed in range(8)]
    assert {tuple(sorted(each.tolist())) for each in drawn} == {(3, 4, 5)}
    assert len({tuple(each.tolist()) for each in drawn}) > 2
    assert not is_kept(spec, "lengths")


def test_what_has_one_order_is_kept() -> None:
    def cut(values: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
        assert ends.tolist() == sorted(ends.tolist())
        assert ends[-1] == len(values)
        return values

    spec = proposed(cut, values=torch.randn(12), ends=torch.tensor([2, 7, 12]))
    assert spec.notes == ("ends: eager refuses values drawn from the example's range; the example alone is used",)
    assert is_kept(spec, "ends")
    assert not is_kept(spec, "values")
    assert all(torch.equal(made["ends"], spec.examples["ends"]) for _, made in variations(spec, {}, 0))


def test_where_nothing_can_be_drawn_the_examples_are_used_alone() -> None:
    x = torch.tensor([[2.0, 1.0], [1.0, 2.0]])

    def exact(x: torch.Tensor) -> torch.Tensor:
        assert x.tolist() == [[2.0, 1.0], [1.0, 2.0]]
        return x

    spec = proposed(exact, x=x)
    assert spec.notes == (ALONE,)
    assert is_kept(spec, "x")
    assert torch.equal(make_inputs(spec, {}, 7)["x"], x)


@pytest.mark.parametrize("shape", [(2, 3), (4, 2), (1, 5)])
def test_an_example_fills_other_shapes_with_its_own_values(shape: tuple[int, int]) -> None:
    example = torch.arange(6).reshape(2, 3)
    made = FromExample(example, shuffled=True)(generator(), shape)
    assert made.shape == shape
    assert set(made.flatten().tolist()) <= set(range(6))
    same = FromExample(example, shuffled=False)(generator(), (2, 3))
    assert torch.equal(same, example)
    assert same is not example


def test_rows_keep_what_they_sum_to() -> None:
    example = torch.tensor([[1, 2, 3], [4, 0, 2]])
    made = FromExample(example, shuffled=True)(generator(), (2, 3))
    assert made.sum(-1).tolist() == [6, 6]


def test_a_number_without_dims_is_filled() -> None:
    assert FromExample(torch.tensor(3), shuffled=True)(generator(), ()).item() == 3
