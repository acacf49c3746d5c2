"""The check `padding`: the documented way to use a fixed trace: pad a shorter input, mask the rest, read the real positions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import COMPARED, OUTPUTS
from pytest_torchscript.checks.registry import check
from pytest_torchscript.common.phases import seconds_of
from pytest_torchscript.errors import first_line
from pytest_torchscript.inputs.draw import is_mask
from pytest_torchscript.inputs.values import pad_inputs
from pytest_torchscript.lab.buckets import Buckets, bucket_targets
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.running import running
from pytest_torchscript.lab.signature import signature_of
from pytest_torchscript.lab.sizes import format_sizes, volume
from pytest_torchscript.lab.subject import FRESH
from pytest_torchscript.lab.trial import AGREES, DIFFERS, RAISES, REFUSED, Trial, artifact_error
from pytest_torchscript.outputs import tensor_leaves
from pytest_torchscript.results import DIVERGES, DYNAMIC, FIXED, BucketCost, PaddingResult
from pytest_torchscript.spec import Axis


def paddable_axes(lab: Lab) -> tuple[str, ...]:
    """Return the axes that padding may fill up: those a mask covers, and those the user declared.

    Images without a mask are resized, not padded. Rows of a batch are padded wherever something else is.
    """
    masked = {dim.name for spec in lab.spec.values() if is_mask(spec) for dim in spec.axes()}
    declared = {name for name, axis in lab.spec.axes.items() if axis.sizes} - {"height", "width"}
    found = (masked | declared) & set(lab.spec.axes)
    if not found - {"batch"} and "batch" not in declared:
        return ()
    written = {dim for spec in lab.spec.values() for dim in spec.dims if isinstance(dim, str)}
    exact = {dim for dim in written if "+" in dim or "*" in dim}
    found = {name for name in found if not any(name in dim for dim in exact)}
    return tuple(name for name in lab.spec.axes if name in found)


def padding_helps(lab: Lab, name: str) -> bool:
    """Whether an input that is short along this axis could be padded: a mask tells its real positions, or rows do not mix."""
    if name in paddable_axes(lab):
        return True
    if name != "batch" or lab.sizes["batch"] < 2:
        return False
    alone = {
        key: tensor.narrow(dims[0], 0, 1) if (dims := lab.spec[key].dims_of("batch")) else tensor
        for key, tensor in lab.subject.inputs.items()
    }
    try:
        answer = lab.subject.eager(alone)
    except Exception:
        return False
    pairs = list(zip(tensor_leaves(answer), tensor_leaves(lab.subject.answer)))
    if any(not leaf.dim() or not whole.dim() or leaf.shape[1:] != whole.shape[1:] for (_, leaf), (_, whole) in pairs):
        return False
    first = [whole[:1] for _, (_, whole) in pairs]
    return not lab.bench.judge.compare(first, [leaf for (_, leaf), _ in pairs], alone, closeness="optimised").fails


@check("padding", order=90, asks=2, needs=(*COMPARED, OUTPUTS))
def check_padding(lab: Lab) -> Finding:
    """A shorter input padded to the anchor answers as eager does without padding.

    Shorter inputs, padded to each bucket or to the anchor, give eager's unpadded answer at the real positions.
    """
    axes = paddable_axes(lab)
    if not axes:
        return Finding.skipped("no mask tells real from padded positions, and no axis is declared fixed")
    if lab.subject.steadiness.random:
        return Finding.skipped("it draws random numbers: padded and unpadded calls draw different ones")
    buckets = Buckets(lab, bucket_targets(lab), axes, signature_of(lab.subject, moving=axes))
    tried: list[dict[str, int]] = []
    refusal = "eager takes no shorter input"
    for target in buckets.targets:
        for sizes in _shorter([lab.spec.axes[name] for name in axes], target):
            trial = _trial(lab, buckets, sizes)
            if trial.status in (DIFFERS, RAISES):
                return _failure(buckets, sizes, target, trial)
            if trial.status == AGREES:
                tried.append(sizes)
            refusal = trial.error or refusal
    if not tried:
        return Finding.skipped(refusal)
    padded = [name for name in axes if any(sizes[name] < buckets.choose(sizes)[name] for sizes in tried)]
    lines = [f"{len(tried)} shorter inputs, padded along {', '.join(padded)}"]
    untold = [name for name in axes if name not in padded]
    lines += [f"not along {', '.join(untold)}: {refusal}"] if untold else []
    costs = [_cost(lab, sizes, buckets.choose(sizes)) for sizes in _one_per_bucket(buckets, tried)]
    return Finding.passed("\n    ".join([*lines, *map(_said, costs)]), padding=PaddingResult(DYNAMIC, None, costs))


def _shorter(axes: Sequence[Axis], target: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Yield sizes that go into a bucket: each axis alone at one step less and at half, then all at half.

    What the next smaller bucket holds goes there, so that half is at least one step above it.
    """
    half = dict(target)
    for axis in axes:
        size, step = target[axis.name], axis.multiple_of
        smallest = max((other for other in axis.sizes if other < size), default=0) + step
        less, half[axis.name] = (max(smallest, other // step * step) for other in (size - 1, size // 2))
        yield from ({**target, axis.name: other} for other in sorted({less, half[axis.name]} - {size}, reverse=True))
    if len(axes) > 1 and half != dict(target):
        yield half


def _real(lab: Lab, sizes: Mapping[str, int]) -> dict[str, torch.Tensor]:
    """Draw inputs whose positions are all real: what stands behind a mask already is not defined."""
    inputs = lab.subject.draw(sizes, FRESH)
    return {name: torch.ones_like(tensor) if is_mask(lab.spec[name]) else tensor for name, tensor in inputs.items()}


def _trial(lab: Lab, buckets: Buckets, sizes: Mapping[str, int]) -> Trial:
    inputs = _real(lab, sizes)
    try:
        expected = lab.subject.eager(inputs)
    except Exception as error:
        return Trial(REFUSED, first_line(error))
    try:
        with running(inputs):
            output = buckets.run(inputs, sizes)
    except Exception as error:
        return Trial(RAISES, artifact_error(error))
    return _compared(buckets, output, expected, inputs, sizes)


def _compared(
    buckets: Buckets, output: Any, expected: Any, inputs: Mapping[str, torch.Tensor], sizes: Mapping[str, int]
) -> Trial:
    """Compare a padded answer at its real positions. Where positions that do not move stand, the better reading tells."""
    wanted = [leaf for _, leaf in tensor_leaves(expected)]
    trials = []
    for gap in (False, True):
        cropped = buckets.crop(output, sizes, [leaf.shape for leaf in wanted], gap=gap)
        if all(leaf is None for leaf in cropped):
            return Trial(REFUSED, "no output tells which of its positions are real")
        actual = [other if leaf is None else leaf for leaf, other in zip(cropped, wanted)]
        trials.append(buckets.lab.bench.judge.compare(actual, expected, inputs, closeness="optimised"))
    return next((trial for trial in trials if not trial.fails), trials[0])


def _failure(buckets: Buckets, sizes: Mapping[str, int], target: Mapping[str, int], trial: Trial) -> Finding:
    verdict = DIVERGES if trial.status == DIFFERS else FIXED
    verb = "does not give" if trial.status == DIFFERS else "raises instead of giving"
    counterexample: dict[str, Any] = {**sizes, "padded_to": dict(target)}
    eager_too = _eager_padded(buckets, sizes, target)
    lab = buckets.lab
    if not eager_too and lab.bench.wrong_values is not None and (lab.selected is None or "values" in lab.selected):
        return Finding.skipped("see test_values")  # padded inputs are other values of the traced sizes
    return Finding.failed(
        f"padding: {format_sizes(sizes)} padded to {format_sizes(target)} {verb} eager's answer at the real positions",
        [*trial.lines, *eager_too],
        _hint(lab, eager_too=bool(eager_too)),
        padding=PaddingResult(verdict, counterexample),
    )


def _hint(lab: Lab, *, eager_too: bool) -> str:
    if not eager_too:
        return lab.backend.hint or "eager honours the padding, the export does not: see test_outputs and test_values"
    if any(is_mask(spec) for spec in lab.spec.values()):
        return f"the model does not honour its mask everywhere; add a mask, or feed inputs of the {lab.made} size only"
    return f"no input tells the model which positions are real; add a mask, or feed inputs of the {lab.made} size only"


def _eager_padded(buckets: Buckets, sizes: Mapping[str, int], target: Mapping[str, int]) -> list[str]:
    """Say so where eager itself answers otherwise when padded: then the model is to blame, not the trace."""
    lab = buckets.lab
    inputs = _real(lab, sizes)
    expected = lab.subject.eager(inputs)
    padded = lab.subject.eager(pad_inputs(lab.spec, inputs, sizes, target))
    if not _compared(buckets, padded, expected, inputs, sizes).fails:
        return []
    return ["eager itself, fed the padded input, differs as well: the model does it, not the export"]


def _one_per_bucket(buckets: Buckets, tried: list[dict[str, int]]) -> list[dict[str, int]]:
    smallest: dict[int, dict[str, int]] = {}
    for sizes in tried:
        index = buckets.targets.index(buckets.choose(sizes))
        if index not in smallest or volume(sizes) < volume(smallest[index]):
            smallest[index] = sizes
    return [smallest[index] for index in sorted(smallest)]


def _cost(lab: Lab, sizes: Mapping[str, int], target: Mapping[str, int]) -> BucketCost:
    """Time eager at the padded and at the real sizes, in turn, so that the ratio holds on a busy machine."""
    real = _real(lab, sizes)
    padded = pad_inputs(lab.spec, real, sizes, target)
    pairs = [
        (seconds_of(lambda: lab.subject.eager.anew(padded)), seconds_of(lambda: lab.subject.eager.anew(real)))
        for _ in range(3)
    ]
    padded_seconds, real_seconds = sorted(pairs, key=lambda pair: pair[0] / max(pair[1], 1e-9))[1]
    return BucketCost(dict(target), dict(sizes), volume(target) / max(volume(sizes), 1), padded_seconds, real_seconds)


def _said(cost: BucketCost) -> str:
    ratio = cost.padded_seconds / max(cost.real_seconds, 1e-9)
    sizes = f"{format_sizes(cost.real)} padded to {format_sizes(cost.sizes)}"
    return f"{sizes}: {cost.waste:.1f} times the work, {ratio:.1f} times the time"
