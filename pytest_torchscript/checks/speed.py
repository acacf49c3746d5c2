"""Eager against traced latency, as a ratio in one run: asked for, never judged."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from pytest_torchscript.checks.case import Case
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.judge import run_artifact
from pytest_torchscript.checks.sizes import format_sizes

ROUNDS = 7


def check_speed(case: Case) -> Finding:
    """Time both sides in turn at the anchor and at the ends of the first axis that moves beside the batch."""
    lines = []
    for sizes in _sizes(case):
        if case.try_sizes(sizes).status != "agrees":
            continue
        inputs = case.make(sizes)
        ratios = [_ratio(case, inputs) for _ in range(ROUNDS)]
        said = f"traced takes {statistics.median(ratios):.2f} times eager's time (median of {ROUNDS} pairs)"
        lines.append(f"{format_sizes(sizes)}: {said}")
    return Finding.passed("\n    ".join(lines)) if lines else Finding.skipped("no size at which both sides agree")


def _sizes(case: Case) -> list[dict[str, int]]:
    name = next((axis for axis in case.spec.moving if axis != "batch"), None)
    if name is None:
        return [case.sizes]
    axis = case.spec.axes[name]
    return [case.sizes, *({**case.sizes, name: size} for size in (axis.first, axis.last))]


def _ratio(case: Case, inputs: Mapping[str, torch.Tensor]) -> float:
    tensors = [inputs[name] for name in case.spec]
    return _seconds(lambda: run_artifact(case.artifact, tensors, seed=0)) / _seconds(lambda: case.eager(inputs))


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return max(time.perf_counter() - start, 1e-9)
