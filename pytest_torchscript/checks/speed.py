"""The check `speed`: eager against traced latency, as a ratio in one run: asked for, never judged."""

from __future__ import annotations

import statistics
from functools import partial

from pytest_torchscript.backends.base import BF16
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import COMPARED, OUTPUT
from pytest_torchscript.checks.registry import check
from pytest_torchscript.common.phases import seconds_of
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.sizes import format_sizes
from pytest_torchscript.lab.trial import AGREES

ROUNDS = 7


@check("speed", order=150, needs=(*COMPARED, OUTPUT), on_request=True)
def check_speed(lab: Lab) -> Finding:
    """Eager against export: latency at several sizes, as a ratio. Collected on request only.

    Both sides are timed in turn at the anchor and at the ends of the first axis that moves beside the batch.
    """
    if lab.backend.traits.arithmetic == BF16:
        return Finding.skipped("eager on the CPU is no measure for a device")
    moving = next((axis for name, axis in lab.spec.moving.items() if name != "batch"), None)
    ends = [] if moving is None else [{**lab.sizes, moving.name: size} for size in (moving.first, moving.last)]
    answer, export, eager = lab.bench.judge.answer, lab.export.artifact, lab.subject.eager
    told = []
    for sizes in [lab.sizes, *ends]:
        if lab.bench.at(sizes).status == AGREES:
            inputs = lab.subject.draw(sizes)
            pairs = [(partial(answer, export, inputs), partial(eager.anew, inputs)) for _ in range(ROUNDS)]
            ratio = statistics.median(seconds_of(ours) / seconds_of(theirs) for ours, theirs in pairs)
            told.append(f"{ratio:.2f} times eager's time at {format_sizes(sizes)}")
    if not told:
        return Finding.skipped("no size at which both sides agree")
    return Finding.passed(f"the export takes {', '.join(told)} (medians of {ROUNDS} pairs)")
