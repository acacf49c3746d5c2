"""What the plugin's tests share: toy factories, how an inner pytest finds the plugin, and how its results are read."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TOYS = """
import torch
from torch import nn
from pytest_torchscript import TensorSpec

INPUTS = {"x": TensorSpec("batch", "time", 4)}
CALLS = []


class Good(nn.Module):
    def forward(self, x):
        return x.mean(1)


class Same(nn.Module):
    def forward(self, x):
        return x * 2.0


class Bad(nn.Module):
    def forward(self, x):
        return x.sum(1) / float(x.shape[1])


def good():
    CALLS.append("good")
    return Good().eval(), INPUTS


def other():
    return Good().eval(), {"x": TensorSpec("batch", "channels", 4)}


def bad():
    return Bad().eval(), INPUTS


def sized(size, bad=False, name=""):
    return (Bad() if bad else Good()).eval(), {"x": TensorSpec("batch", "time", size)}


def broken():
    raise RuntimeError("out of cheese")


def deadly():
    class Deadly(nn.Module):
        def forward(self, x):
            import os
            if torch.jit.is_tracing():
                os._exit(13)
            return x.mean(1)
    return Deadly().eval(), INPUTS
"""


def _entry_points() -> list[str]:
    points: Any = importlib.metadata.entry_points()  # a dict until Python 3.10
    found = points.select(group="pytest11") if hasattr(points, "select") else points.get("pytest11", ())
    return [point.name for point in found]


#: Where the project is not installed its entry point is missing, and the plugin is named.
INSTALLED = "torchscript" in _entry_points()

Run = Callable[..., pytest.RunResult]


def names(result: pytest.RunResult) -> list[str]:
    """Return the ids that ``--co -q`` printed."""
    return [line for line in result.outlines if "::" in line]


def read_report(folder: Path, name: str = "out.json") -> dict[str, Any]:
    """Return a report that an inner run wrote."""
    data: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return data


def checks_of(report: dict[str, Any], model: str) -> dict[str, str]:
    """Return the outcomes of a model's checks by name."""
    found = next(entry for entry in report["models"] if entry["model"] == model)
    return {check["name"]: check["outcome"] for export in found["exports"] for check in export["checks"]}


def assert_usage_error(result: pytest.RunResult, *said: str) -> None:
    """The run ended as pytest's usage errors do: exit code 4, our words, and a hint as the last line."""
    text = result.stderr.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR, text + result.stdout.str()
    for words in said:
        assert words in text
    assert text.strip().splitlines()[-1].strip().startswith("hint:"), text
    assert "Traceback" not in text + result.stdout.str()
    assert "INTERNALERROR" not in text + result.stdout.str()
