"""Shares of a budget: where what is behind a backend may be asked so often only, no check uses up what others need.

The first questions come first, and may ask until the end. Every other check has a share of what is left, by how much such
checks ask as a rule; what one does not use is there for the next.
"""

from __future__ import annotations

from pytest_torchscript.checks.answers import FIRST
from pytest_torchscript.checks.needs import ARTIFACT, obstacle
from pytest_torchscript.checks.registry import AXIS, Check, checks_for
from pytest_torchscript.lab.lab import Lab


def grant_share(lab: Lab, asked: Check, axis: str | None) -> None:
    """Say until when the check that begins may ask. Nothing where there is no budget."""
    budget = lab.backend.budget
    if budget is None:
        return
    if asked.name in FIRST:
        budget.share = None
        return
    lab.begun.add((asked.name, axis))
    others = sum(
        other.asks
        for other in checks_for(lab.settings, lab.subject.loaded.blueprint.task, lab.backend.name)
        if other.name not in FIRST and ARTIFACT in other.needs and (lab.selected is None or other.name in lab.selected)
        for name in (lab.spec.axes if other.over == AXIS else (None,))
        if (other.name, name) not in lab.begun and obstacle(lab, other.needs) is None
    )
    left = budget.limit - budget.spent
    budget.share = budget.spent + max(1, left * asked.asks // (asked.asks + others))
