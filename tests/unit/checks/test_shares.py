"""A budget of calls is shared: the first questions may use all of it, every other check its part of what is left."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from pytest_torchscript.backends.registry import backend_for
from pytest_torchscript.checks.registry import check_named
from pytest_torchscript.checks.shares import grant_share
from tests import toys
from tests.asking import lab_of


@dataclass
class Budget:
    limit: int
    spent: int = 0
    share: int | None = None


def lab_with(budget: Budget | None, **changes: Any) -> Any:
    backend = backend_for("torchscript")
    backend.budget = budget
    return replace(lab_of(toys.Sound()), backend=backend, **changes)


def test_without_a_budget_there_is_nothing_to_share() -> None:
    lab = lab_with(None)
    grant_share(lab, check_named("values"), None)
    assert lab.begun == set()


@pytest.mark.parametrize("name", ["trace", "determinism", "outputs"])
def test_the_first_questions_may_ask_until_the_end(name: str) -> None:
    budget = Budget(100, share=3)
    grant_share(lab_with(budget), check_named(name), None)
    assert budget.share is None


def test_what_one_check_leaves_is_there_for_the_next() -> None:
    budget = Budget(100)
    lab = lab_with(budget, selected=frozenset({"axis", "values"}))
    shares = []
    for name, axis in (("axis", "batch"), ("axis", "time"), ("values", None)):
        grant_share(lab, check_named(name), axis)
        shares.append(budget.share - budget.spent)
        budget.spent += 10
    assert shares == [40, 60, 80]


def test_a_check_may_ask_once_where_nothing_is_left() -> None:
    budget = Budget(10, spent=10)
    grant_share(lab_with(budget), check_named("values"), None)
    assert budget.share == 11
