"""The words and numbers that every report shares: sizes, ranges, counts, causes, costs."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from pytest_torchscript.results import (
    BOUND,
    DIVERGES,
    DYNAMIC,
    ERROR,
    FAILED,
    FIXED,
    PASSED,
    SKIPPED,
    STATIC,
    UNTESTED,
    AnchorFinding,
    AxisResult,
    BucketCost,
    Cause,
    CheckResult,
    ExportResult,
    ModelResult,
    Portability,
    RunReport,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: How a check is shown that passed on an emulated device: never as one that passed.
EMULATED = "emulated"
OUTCOMES = (FAILED, ERROR, PASSED, EMULATED, SKIPPED)
BAD = (FIXED, DIVERGES)
#: All verdicts of an axis, the worse ones first.
VERDICTS = (DIVERGES, FIXED, UNTESTED, STATIC, DYNAMIC)
#: What stands between the parts of a path, on any system.
SLASHES = r"[\\/]"
#: What a report says of a run that was cut short, or is not over.
INCOMPLETE = "incomplete: the run was cut short, and what did not run is missing"
#: What stands over the inputs that a model was found to take.
FOUND = "Inputs found, as code to paste where axes are to be named or narrowed:"


def count_text(number: int) -> str:
    """Return a number of parameters as people say it: 109482240 is ``109.5 M``."""
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * size:
            return f"{number / size:.1f} {unit}"
    return str(number)


def sizes_text(sizes: Mapping[str, Any]) -> str:
    """Return sizes as the options write them: ``batch=2 sequence=11``."""
    return " ".join(f"{name}={value}" for name, value in sizes.items())


def tried_text(axis: AxisResult) -> str:
    """Return how many sizes were tried."""
    count = len(set(axis.tried))
    return "1 size" if count == 1 else f"{count} sizes"


def range_text(axis: AxisResult) -> str:
    """Return the range of an axis: ``1 to 512``, or one size."""
    return str(axis.min) if axis.min == axis.max else f"{axis.min} to {axis.max}"


def number_text(value: float | str | None) -> str:
    """Return a difference with three digits; a record read back holds "nan" and "inf" as strings."""
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:.3g}"


def axes_text(model: ModelResult) -> str:
    """Return the axes of a model by their verdicts, in short: ``batch, sequence dynamic; width untested``."""
    found: dict[str, dict[str, None]] = {}
    for export in model.exports:
        for axis in export.axes:
            found.setdefault(axis.verdict, {})[axis.axis] = None
    return "; ".join(f"{', '.join(names)} {verdict}" for verdict, names in found.items())


def counts_text(report: RunReport) -> str:
    """Return how many models failed, passed, or were not checked, and what all of it took."""
    failed = sum(bool(model.failures) for model in report.models)
    passed = sum(model.passed for model in report.models)
    parts = ((failed, "failed"), (passed, "passed"), (len(report.models) - failed - passed, "with nothing checked"))
    counts = ", ".join(f"{number} {word}" for number, word in parts if number)
    totals = report.totals
    took = f"{totals['passes']} forward passes, {seconds_text(totals['seconds'])}"
    models = "1 model" if len(report.models) == 1 else f"{len(report.models)} models"
    return f"{models}: {counts}; {took}" if counts else f"{models}; {took}"


def axis_detail(axis: AxisResult) -> str:
    """Return what there is to say about an axis beside its verdict: where it fails, how far, or why it is untested."""
    parts = []
    if axis.counterexample:
        kind = "raises" if axis.verdict == FIXED else "wrong"
        parts.append(f"{kind} at {sizes_text(axis.counterexample)}")
    if axis.max_abs_difference not in (None, 0, 0.0) and axis.verdict != DYNAMIC:
        parts.append(f"max |difference| {number_text(axis.max_abs_difference)}")
    if axis.error:
        parts.append(axis.error)
    if axis.reason:
        parts.append(axis.reason)
    return "; ".join(parts)


def place_text(cause: Cause) -> str:
    """Return where a cause stands: the end of its path, line and function."""
    if not cause.line:
        return "line not known"
    parts = re.split(SLASHES, cause.file)
    path = cause.file if len(parts) <= 3 else "…/" + "/".join(parts[-3:])
    return f"{path}:{cause.line}" + (f" in {cause.function}" if cause.function else "")


def cause_text(cause: Cause) -> str:
    """Return a cause in one line: where, and by what it was seen."""
    place = f"at {place_text(cause)}" if cause.line else place_text(cause)
    return f"{place}: {cause.evidence}" if cause.evidence else place


def finding_text(finding: AnchorFinding) -> str:
    """Return what a trace at another anchor would have got wrong, in one line."""
    without = f" without {', '.join(finding.without)}" if finding.without else ""
    becomes = "diverge" if finding.verdict == DIVERGES else f"be {finding.verdict}"
    return f"traced at {sizes_text(finding.anchor)}{without}, {finding.axis!r} would {becomes}"


def portability_text(found: Portability | None) -> str:
    """Return what it means that a file is bound to its device; nothing where it is not, or was not looked at."""
    if found is None or found.verdict != BOUND:
        return ""
    where = f" {cause_text(found.causes[0])}" if found.causes else ""
    return (
        f"bound to the device it was traced on ({found.traced_on}), it may raise where it is loaded on another:{where}"
    )


def cost_text(cost: BucketCost) -> str:
    """Return what padding to one bucket costs, in work and in time."""
    text = f"{sizes_text(cost.real)} padded to {sizes_text(cost.sizes)}: {cost.waste:.3g} x the positions"
    if cost.real_seconds > 0 and cost.padded_seconds > 0:
        ratio = cost.padded_seconds / cost.real_seconds
        text += f", {ratio:.3g} x the time ({seconds_text(cost.padded_seconds)} a call)"
    return text


def values_text(export: ExportResult) -> str:
    """Return what other values do to an export, its sizes aside; empty where they do nothing."""
    verbs = {DIVERGES: "diverge", FIXED: "raise"}
    return f"values {verbs[export.values.verdict]}" if export.values.verdict in verbs else ""


def seconds_text(seconds: float) -> str:
    """Return a time with its unit."""
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def outcome_word(export: ExportResult, check: CheckResult) -> str:
    """Return how a check ended. Beside another backend its own check alone ran on the device that `export` tells of."""
    device = export.device or {}
    on_device = check.name == device.get("check") or device.get("backend") == export.backend
    return EMULATED if check.outcome == PASSED and on_device and device.get("emulated") else check.outcome


def is_emulated(model: ModelResult) -> bool:
    """Whether something of a model ran on a stand-in for its device."""
    return any(outcome_word(export, check) == EMULATED for export in model.exports for check in export.checks)


def verdict_text(report: RunReport) -> str:
    """Return what came out of a run, in a few words."""
    failed = sum(bool(model.failures) for model in report.models)
    if failed:
        return f"{failed} of {len(report.models)} failed"
    if any(map(is_emulated, report.models)):
        return "nothing failed, in part emulated"
    return "all passed" if report.models else "no model was checked"


def outcome_text(exports: Iterable[ExportResult]) -> str:
    """Return the outcomes counted, the bad ones first: ``1 failed, 12 passed, 2 skipped``."""
    counts = Counter(outcome_word(export, check) for export in exports for check in export.checks)
    words = [_counted(counts[outcome], outcome) for outcome in OUTCOMES if counts[outcome]]
    return ", ".join(words) or "nothing checked"


def _counted(number: int, outcome: str) -> str:
    return f"{number} errors" if outcome == ERROR and number > 1 else f"{number} {outcome}"


def message_line(check: CheckResult) -> str:
    """Return the first line of a check's message."""
    return next((line.strip() for line in check.message.splitlines() if line.strip()), "")


def skips_text(checks: Iterable[CheckResult]) -> Iterator[str]:
    """Yield what was skipped and why, one line for every reason."""
    reasons: dict[str, list[str]] = {}
    for check in checks:
        if check.outcome == SKIPPED:
            reasons.setdefault(message_line(check), []).append(check.name)
    for reason, names in reasons.items():
        yield f"skipped {', '.join(names)}" + (f": {reason}" if reason else "")


def model_text(model: ModelResult) -> str:
    """Return a model in one line: class, task, parameters and the weights really used."""
    parts = [model.class_name] if model.class_name else []
    if model.task and model.task != "default":
        parts.append(f"task {model.task}")
    if model.parameters:
        parts.append(f"{count_text(model.parameters)} parameters")
    if model.weights:
        parts.append(f"{model.weights} weights")
    if model.dtype not in ("", "float32"):
        parts.append(f"in {model.dtype}")
    if model.device not in ("", "cpu", "meta"):
        parts.append(f"on {model.device}")
    return ", ".join(parts) or "not loaded"


def ladder_text(model: ModelResult) -> str:
    """Return what the backends make of the axes, in one line, those that keep most first: ``onnx keeps every axis; torchscript
    loses batch at modeling_x.py:12``. Backends of which the same is to be said share it."""
    axes = [row["axis"] for row in model.ladder]
    said: dict[tuple[tuple[str, str], str], list[str]] = {}
    for export in model.exports if axes else ():
        said.setdefault(_kept_text(export, axes), []).append(export.backend)
    parts = sorted(said.items(), key=lambda item: (item[0][0] is not _KEEPS, "every" not in item[0][1]))
    return "; ".join(f"{', '.join(names)} {verbs[len(names) > 1]} {rest}" for (verbs, rest), names in parts)


_KEEPS, _LOSES, _TESTED = ("keeps", "keep"), ("loses", "lose"), ("tested", "tested")


def _kept_text(export: ExportResult, axes: list[str]) -> tuple[tuple[str, str], str]:
    """Return the verb for one backend, and for several, and what follows it."""
    found = {axis.axis: axis for axis in export.axes}
    lost = [axis for axis in export.axes if axis.verdict in BAD]
    if lost:
        return _LOSES, ", ".join(f"{axis.axis}{_short_place(axis)}" for axis in lost)
    kept = [name for name in axes if name in found and found[name].verdict in (DYNAMIC, STATIC)]
    if not kept:
        return _TESTED, "no axis"
    untested = [name for name in axes if name not in kept]
    return _KEEPS, f"{', '.join(kept)} ({', '.join(untested)} untested)" if untested else "every axis"


def _short_place(axis: AxisResult) -> str:
    """Return the file and line of the first cause; empty where it is not known."""
    cause = next((cause for cause in axis.causes[:1] if cause.line), None)
    return f" at {re.split(SLASHES, cause.file)[-1]}:{cause.line}" if cause else ""


def device_text(device: Mapping[str, Any]) -> str:
    """Return what a backend found and did on its device: the plain entries in one line."""
    plain = {
        key: value
        for key, value in device.items()
        if isinstance(value, (str, int, float)) and value != "" and key != "check"
    }
    return ", ".join(f"{key.replace('_', ' ')}: {value}" for key, value in plain.items())


def environment_text(environment: Mapping[str, str]) -> str:
    """Return the versions in one line."""
    return " · ".join(f"{name.replace('_', '-')} {version}" for name, version in environment.items() if version)


def position(size: int, low: int, high: int) -> float:
    """Return where a size stands between two ends, 0 to 1, on a logarithmic scale: small sizes are the telling ones."""
    if high <= low:
        return 0.5
    share = math.log(max(size, low, 1) / max(low, 1)) / math.log(high / max(low, 1))
    return min(max(share, 0.0), 1.0)
