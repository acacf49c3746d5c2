"""The check `determinism`: eager agrees with itself; else every other check says so, and none speaks of a mismatch."""

from __future__ import annotations

from dataclasses import replace

from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import READY, WEIGHTS
from pytest_torchscript.checks.registry import check
from pytest_torchscript.lab.kept import kept_lines
from pytest_torchscript.lab.lab import Lab


@check("determinism", order=20, needs=(READY, WEIGHTS))
def check_determinism(lab: Lab) -> Finding:
    """Eager agrees with itself under one seed.

    A model that draws random numbers under a seed passes with a note.
    """
    found = lab.subject.steadiness
    changed = ", ".join(lab.subject.passes.changed)
    flooded = ", ".join(lab.subject.passes.flooded)
    told = [f"a call changes {changed}: put back after each"] if changed else []
    told += [f"a call {flooded}: what is more is dropped"] if flooded else []
    if found.fault:
        hint = "call model.eval(), and pass training=self.training to dropout"
        if found.kept:
            hint = f"compute `self.{found.kept[0].place.name}` anew in every call, or take it as an input and return it"
        elif not found.random:
            hint = "draw from torch's own generator, and keep no state between calls"
        failed = Finding.failed(
            found.headline,
            [
                "eager called twice with the same inputs and the same seed gives two answers, or would in eval mode",
                *kept_lines(found.kept),
            ],
            hint,
        )
        return replace(failed, notes=told)
    overflow = lab.subject.overflow.said
    drawn = ["it draws random numbers; every comparison is made under one seed"] if found.random else []
    told += [overflow] if overflow else []
    return Finding.passed("\n".join([*drawn, *told]), notes=told)
