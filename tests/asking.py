"""How tests put a question to a toy: by name, as a user of the package would."""

from __future__ import annotations

from typing import Any

from pytest_torchscript import check
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.plan import make_plan
from pytest_torchscript.results import CheckResult, ModelResult
from pytest_torchscript.settings import Settings
from tests import toys


def ask(model: Any, *checks: str, inputs: Any = None, **settings: Any) -> ModelResult:
    """Put checks to a model, all where none is named; a signal is fed where no inputs are given."""
    return check(model, inputs=toys.SIGNAL if inputs is None else inputs, checks=checks or None, **settings)


def answer(result: ModelResult) -> CheckResult:
    """Return the one check of a result."""
    assert len(result.checks) == 1, [item.name for item in result.checks]
    return result.checks[0]


def lab_of(model: Any, *, inputs: Any = None, backend: str = "torchscript", **settings: Any) -> Lab:
    """Return the lab of a model, for questions to its parts; a signal is fed where no inputs are given."""
    chosen = Settings(**settings)
    return make_plan(model.eval(), chosen, inputs=toys.SIGNAL if inputs is None else inputs).load(backend)
