"""The check `determinism`: eager agrees with itself; else every other check says so, and none speaks of a mismatch."""

from __future__ import annotations

from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.steadiness import Steadiness


def check_determinism(lab: Lab) -> Finding:
    """Eager agrees with itself; a model that draws random numbers under a seed passes with a note."""
    found = lab.subject.steadiness
    if found.fault:
        return Finding.failed(
            unsteady(found),
            ["eager called twice with the same inputs and the same seed gives two answers, or would in eval mode"],
            "call model.eval(), pass training=self.training to dropout, and keep no state between calls",
        )
    return Finding.passed("it draws random numbers; every comparison is made under one seed" if found.random else "")


def unsteady(found: Steadiness) -> str:
    """Return how every check calls a model that does not agree with itself."""
    return f"not deterministic: {found.fault}"
