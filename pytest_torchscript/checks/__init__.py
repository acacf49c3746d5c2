"""The questions put to an exported model, and `check`, which puts all of them. Knows no pytest."""

from __future__ import annotations

from pytest_torchscript.checks.registry import checks_for, registered
from pytest_torchscript.checks.run import check, feed, run_all, run_check
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.plan import ModelPlan, check_names, make_plan
from pytest_torchscript.settings import make_settings

__all__ = [
    "Lab",
    "ModelPlan",
    "check",
    "check_names",
    "checks_for",
    "feed",
    "make_plan",
    "make_settings",
    "registered",
    "run_all",
    "run_check",
]
