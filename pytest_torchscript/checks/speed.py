"""The check `speed`: eager against traced latency, as a ratio in one run: asked for, never judged."""

from __future__ import annotations

import statistics
import timeit
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from pytest_torchscript.backends.base import BF16
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import COMPARED, OUTPUT
from pytest_torchscript.checks.registry import check
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.sizes import format_sizes
from pytest_torchscript.lab.trial import AGREES
from pytest_torchscript.results import SpeedAt

ROUNDS = 7
#: Calls before the clock starts: the executor fuses after the first, a device picks its kernels.
WARM = 3


@check("speed", order=150, needs=(*COMPARED, OUTPUT), on_request=True)
def check_speed(lab: Lab) -> Finding:
    """Eager against export: latency at several sizes, as a ratio. Collected on request only.

    The sides are timed in turn, by torch's own timer, which waits for a device: at the anchor, and at the ends of the first
    axis that moves beside the batch. A trace is timed frozen as well.
    """
    if lab.backend.traits.arithmetic == BF16:
        return Finding.skipped("eager on the CPU is no measure for a device")
    moving = next((axis for name, axis in lab.spec.moving.items() if name != "batch"), None)
    ends = [] if moving is None else [{**lab.sizes, moving.name: size} for size in (moving.first, moving.last)]
    frozen = _frozen(lab)
    told, taken = [], []
    for sizes in [lab.sizes, *ends]:
        if lab.bench.at(sizes).status == AGREES:
            took = times(lab, lab.subject.draw(sizes), {"export": lab.export.artifact, **frozen})
            also = f", frozen {took['frozen']:.2f}" if frozen else ""
            eager = f"{1e3 * took['eager']:.3g} ms"
            taken.append(SpeedAt(dict(sizes), took["eager"], took["export"] * took["eager"]))
            told.append(f"{took['export']:.2f}{also} times eager's time ({eager}) at {format_sizes(sizes)}")
    if not told:
        return Finding.skipped("no size at which both sides agree")
    return Finding.passed(f"the export takes {', '.join(told)} (medians of {ROUNDS} rounds)", speed=taken)


def _frozen(lab: Lab) -> dict[str, Any]:
    """Return the frozen trace by its name; nothing where the artifact is none, or does not freeze."""
    module = getattr(lab.export.artifact, "module", None)
    if module is None or not lab.backend.traits.torchscript:
        return {}
    try:
        with quiet(), torch.no_grad():
            return {"frozen": torch.jit.freeze(module.eval())}
    except Exception:  # the check `freeze` tells
        return {}


def times(lab: Lab, inputs: Mapping[str, torch.Tensor], others: Mapping[str, Any]) -> dict[str, float]:
    """Return the seconds of one call of eager, and how many times those the others take: medians over rounds in turn.

    All are fed from where they run, so that no way there is timed.
    """
    judge, eager = lab.bench.judge, lab.subject.eager
    there = dict(zip(lab.spec, lab.export.taken(inputs)))
    calls: dict[str, Callable[[], Any]] = {name: partial(judge.answer, other, there) for name, other in others.items()}
    calls["eager"] = partial(eager.anew, dict(zip(lab.spec, lab.subject.ordered(inputs))))
    timers = {name: _timer(call) for name, call in calls.items()}
    for call in calls.values():
        for _ in range(WARM):
            call()
    rounds = [{name: timer() for name, timer in timers.items()} for _ in range(ROUNDS)]
    ratios = {name: statistics.median(each[name] / max(each["eager"], 1e-9) for each in rounds) for name in others}
    return {**ratios, "eager": statistics.median(each["eager"] for each in rounds)}


def _timer(call: Callable[[], Any]) -> Callable[[], float]:
    """Return a clock of one call, in seconds: torch's own, which waits for a device.

    That of torch 1.13 imports pkg_resources, which warns, or is not there: then Python's, for there is no device either.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from torch.utils.benchmark import Timer
    except ImportError:
        return partial(timeit.timeit, call, number=1)
    timer = Timer("call()", globals={"call": call}, num_threads=torch.get_num_threads())
    return lambda: float(timer.timeit(1).median)
