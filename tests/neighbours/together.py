"""What the tests of neighbours share: toy factories, skips by name, and how a report is read."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ZOO = """
import time

import torch
from torch import nn

from pytest_torchscript import Axis, TensorSpec

INPUTS = {"x": TensorSpec(Axis("batch", max=4), Axis("time", max=20), 4)}


class Good(nn.Module):
    def forward(self, x):
        return x.mean(1)


class Bad(nn.Module):
    def forward(self, x):
        return x.sum(1) / float(x.shape[1])


class Slow(nn.Module):
    def forward(self, x):
        if torch.jit.is_tracing():
            time.sleep(60)
        return x.mean(1)


def good():
    return Good().eval(), INPUTS


def bad():
    return Bad().eval(), INPUTS


def slow():
    return Slow().eval(), INPUTS
"""
#: Quick, and enough to tell the two models apart.
FEW = ("-k", "trace or outputs or axis")

Run = Callable[..., pytest.RunResult]


def needs(module: str) -> pytest.MarkDecorator:
    """Skip where a neighbour is not installed, by its name."""
    missing = importlib.util.find_spec(module) is None
    name = module.replace("_", "-")
    return pytest.mark.skipif(missing, reason=f"{name} is not installed: pip install 'pytest-torchscript[neighbours]'")


def verdicts(folder: Path, name: str = "out.json") -> dict[str, dict[str, str]]:
    """Return the verdicts of a report by model and axis."""
    report: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return {
        model["model"]: {axis["axis"]: axis["verdict"] for export in model["exports"] for axis in export["axes"]}
        for model in report["models"]
    }


def outcomes(folder: Path, model: str, name: str = "out.json") -> list[tuple[str, str]]:
    """Return a model's checks in the order of a report, each with its outcome."""
    report: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    found = [entry for entry in report["models"] if entry["model"] == model]
    return [
        (check["name"], check["outcome"])
        for entry in found
        for export in entry["exports"]
        for check in export["checks"]
    ]
