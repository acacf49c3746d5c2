"""Prove that an exported model answers as its eager original does, at every size and for every value.

Names are resolved on first use: ``import pytest_torchscript`` loads neither torch, transformers nor hypothesis.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from pytest_torchscript.checks import check as check
    from pytest_torchscript.errors import BackendError as BackendError
    from pytest_torchscript.errors import Error as Error
    from pytest_torchscript.errors import InputError as InputError
    from pytest_torchscript.errors import ModelError as ModelError
    from pytest_torchscript.errors import OptionError as OptionError
    from pytest_torchscript.errors import TorchScriptFailure as TorchScriptFailure
    from pytest_torchscript.inputs import strategies as strategies
    from pytest_torchscript.results import AnchorFinding as AnchorFinding
    from pytest_torchscript.results import AxisResult as AxisResult
    from pytest_torchscript.results import Cause as Cause
    from pytest_torchscript.results import CheckResult as CheckResult
    from pytest_torchscript.results import ExportResult as ExportResult
    from pytest_torchscript.results import ModelResult as ModelResult
    from pytest_torchscript.results import PaddingResult as PaddingResult
    from pytest_torchscript.results import RunReport as RunReport
    from pytest_torchscript.results import ValuesResult as ValuesResult
    from pytest_torchscript.spec import Axis as Axis
    from pytest_torchscript.spec import InputSpec as InputSpec
    from pytest_torchscript.spec import TensorSpec as TensorSpec

_HOMES = {
    "pytest_torchscript.checks": ("check",),
    "pytest_torchscript.errors": (
        "BackendError",
        "Error",
        "InputError",
        "ModelError",
        "OptionError",
        "TorchScriptFailure",
    ),
    "pytest_torchscript.results": (
        "AnchorFinding",
        "AxisResult",
        "Cause",
        "CheckResult",
        "ExportResult",
        "ModelResult",
        "PaddingResult",
        "RunReport",
        "ValuesResult",
    ),
    "pytest_torchscript.spec": ("Axis", "InputSpec", "TensorSpec"),
}

__all__ = ["__version__", "strategies", *(name for names in _HOMES.values() for name in names)]


def __getattr__(name: str) -> Any:
    if name == "strategies":
        return importlib.import_module("pytest_torchscript.inputs.strategies")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
