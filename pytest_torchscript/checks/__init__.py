"""The questions put to an exported model, and `check`, which puts all of them. Knows no pytest."""

from __future__ import annotations

from pytest_torchscript.checks.case import Case
from pytest_torchscript.checks.plan import CasePlan, check_names, plan_case
from pytest_torchscript.checks.run import CHECKS, ON_REQUEST, check, make_settings, run_all, run_check

__all__ = [
    "CHECKS",
    "ON_REQUEST",
    "Case",
    "CasePlan",
    "check",
    "check_names",
    "make_settings",
    "plan_case",
    "run_all",
    "run_check",
]
