"""The check `speed`: eager against traced latency, as a ratio in one run: asked for, never judged."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from pytest_torchscript.backends.base import BF16
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import COMPARED, OUTPUT
from pytest_torchscript.checks.registry import check
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.sizes import format_sizes

ROUNDS = 7


@check("speed", order=150, needs=(*COMPARED, OUTPUT), on_request=True)
def check_speed(lab: Lab) -> Finding:
    """Eager against export: latency at several sizes, as a ratio. Collected on request only.

    Both sides are timed in turn at the anchor and at the ends of the first axis that moves beside the batch.
    """
    if lab.backend.traits.arithmetic == BF16:
        return Finding.skipped("eager on the CPU is no measure for a device")
    told = []
    for sizes in _sizes(lab):
        if lab.bench.at(sizes).status != "agrees":
            continue
        inputs = lab.subject.draw(sizes)
        ratios = [_ratio(lab, inputs) for _ in range(ROUNDS)]
        told.append(f"{statistics.median(ratios):.2f} times eager's time at {format_sizes(sizes)}")
    if not told:
        return Finding.skipped("no size at which both sides agree")
    return Finding.passed(f"the export takes {', '.join(told)} (medians of {ROUNDS} pairs)")


def _sizes(lab: Lab) -> list[dict[str, int]]:
    name = next((axis for axis in lab.spec.moving if axis != "batch"), None)
    if name is None:
        return [lab.sizes]
    axis = lab.spec.axes[name]
    return [lab.sizes, *({**lab.sizes, name: size} for size in (axis.first, axis.last))]


def _ratio(lab: Lab, inputs: Mapping[str, torch.Tensor]) -> float:
    export, eager = lab.export.artifact, lab.subject.eager
    return _seconds(lambda: lab.bench.judge.answer(export, inputs)) / _seconds(lambda: eager.anew(inputs))


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return max(time.perf_counter() - start, 1e-9)
