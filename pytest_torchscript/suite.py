"""The built-in suite: one thin test for each question that is put to an export.

Collected by `plugin.collection` as the module of each model; the name keeps pytest from collecting it as a file. What there
is to ask stands in ``checks/``, and each test says of itself what its check says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import pytest

from pytest_torchscript.checks.registry import Check, registered

if TYPE_CHECKING:
    from pytest_torchscript.plugin.outcome import SuiteTest

pytestmark = pytest.mark.torchscript


def test_model(torchscript_suite: SuiteTest) -> None:
    """Stand in for all others where the reference cannot be resolved, and say why."""
    torchscript_suite.report_unresolved()


def _test_of(check: Check) -> Callable[..., None]:
    """Return the test of a check."""

    def once(torchscript_suite: SuiteTest) -> None:
        torchscript_suite.require(check)

    def over(torchscript_suite: SuiteTest, axis: str | None) -> None:
        torchscript_suite.require(check, axis)

    test: Callable[..., None] = over if check.over else once
    test.__name__ = test.__qualname__ = f"test_{check.name}"
    test.__doc__ = check.summary
    return test


def tests_of(checks: Iterable[Check]) -> dict[str, Callable[..., None]]:
    """Return the tests of checks by name. `test_model` takes their place where there is no model."""
    return {f"test_{check.name}": _test_of(check) for check in checks}


globals().update(tests_of(registered().values()))
