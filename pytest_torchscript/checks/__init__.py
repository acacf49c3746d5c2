"""The questions put to an exported model, and `check`, which puts all of them. Knows no pytest."""

from __future__ import annotations

from pytest_torchscript.checks.run import CHECKS, ON_REQUEST, check, make_settings, run_all, run_check
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.plan import CasePlan, check_names, plan_case

__all__ = [
    "CHECKS",
    "ON_REQUEST",
    "CasePlan",
    "Lab",
    "check",
    "check_names",
    "make_settings",
    "plan_case",
    "run_all",
    "run_check",
]
