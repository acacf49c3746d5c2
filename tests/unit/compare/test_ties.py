"""An index may differ only where a float leaf of the same output shows that the two candidates tie."""

from __future__ import annotations

import pytest
import torch

from pytest_torchscript.compare.compare import compare_outputs

SCORES = torch.tensor([[1.0, 5.0, 5.0 + 4e-7, 2.0], [9.0, 1.0, 2.0, 3.0]])


def with_index(index: torch.Tensor, at: tuple[int, ...], value: int) -> torch.Tensor:
    other = index.clone()
    other[at] = value
    return other


def test_argmax_may_differ_where_the_scores_tie() -> None:
    index = SCORES.argmax(-1)
    assert compare_outputs((SCORES, with_index(index, (0,), 1)), (SCORES, index)).agrees
    assert compare_outputs((with_index(index, (0,), 1), SCORES), (index, SCORES)).agrees


@pytest.mark.parametrize(("row", "value"), [(0, 3), (1, 1), (0, 4), (0, -1)])
def test_argmax_may_not_differ_elsewhere(row: int, value: int) -> None:
    index = SCORES.argmax(-1)
    found = compare_outputs((SCORES, with_index(index, (row,), value)), (SCORES, index))
    assert found.status == "different"
    assert found.mismatches[0].index == (row,)
    assert found.mismatches[0].count == 1


def test_an_index_alone_is_exact() -> None:
    index = SCORES.argmax(-1)
    assert not compare_outputs((with_index(index, (0,), 1),), (index,)).agrees


def test_an_integer_leaf_that_ranks_nothing_is_exact() -> None:
    lengths = torch.tensor([1, 2])
    assert not compare_outputs((SCORES, with_index(lengths, (0,), 2)), (SCORES, lengths)).agrees


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_any_dimension_and_the_smallest_value(dim: int, keepdim: bool) -> None:
    scores = torch.arange(24.0).reshape(2, 3, 4) + 1
    tied = scores.clone()
    tied.select(dim, 0).copy_(tied.select(dim, 1))
    index = tied.argmin(dim, keepdim=keepdim)
    other = 1 - index
    assert compare_outputs((tied, other), (tied, index)).agrees
    assert not compare_outputs(
        (scores, scores.argmin(dim, keepdim=keepdim) + 1), (scores, scores.argmin(dim, keepdim=keepdim))
    ).agrees


def test_a_tie_may_need_the_noise_of_eager_to_be_seen() -> None:
    scores = torch.tensor([1.0, 1.00001])
    index, other = torch.tensor(1), torch.tensor(0)
    precise = (scores.double() + 1e-5, torch.tensor(1))
    assert not compare_outputs((scores, other), (scores, index), precise=lambda: (scores.double(), index)).agrees
    assert compare_outputs((scores, other), (scores, index), precise=lambda: precise).agrees


def test_a_tie_within_the_users_tolerance() -> None:
    scores, index = torch.tensor([1.0, 1.1]), torch.tensor(1)
    assert compare_outputs((scores, 1 - index), (scores, index), rtol=0, atol=0.2).agrees
    assert not compare_outputs((scores, 1 - index), (scores, index), rtol=0, atol=0.05).agrees


def test_top_k_beside_the_scores() -> None:
    top = SCORES.topk(3, dim=-1).indices
    swapped = top.clone()
    swapped[0, 0], swapped[0, 1] = top[0, 1], top[0, 0]
    assert compare_outputs((SCORES, swapped), (SCORES, top)).agrees
    assert not compare_outputs((SCORES, with_index(top, (0, 0), 1)), (SCORES, top)).agrees  # one candidate twice
    assert not compare_outputs((SCORES, with_index(top, (1, 2), 1)), (SCORES, top)).agrees


def test_top_k_with_its_values_only() -> None:
    values, top = SCORES.topk(3, dim=-1)
    swapped = top.clone()
    swapped[0, 0], swapped[0, 1] = top[0, 1], top[0, 0]
    assert compare_outputs((values, swapped), (values, top)).agrees
    wrong = top.clone()
    wrong[1, 0], wrong[1, 1] = top[1, 1], top[1, 0]
    assert not compare_outputs((values, wrong), (values, top)).agrees
    assert not compare_outputs((values, with_index(top, (0, 2), 0)), (values, top)).agrees  # an unseen candidate


def test_a_wrong_score_is_found_beside_a_tie() -> None:
    index = SCORES.argmax(-1)
    wrong = SCORES.clone()
    wrong[1, 1] += 0.1
    found = compare_outputs((wrong, with_index(index, (0,), 1)), (SCORES, index))
    assert [mismatch.path for mismatch in found.mismatches] == ["[0]"]
