"""What a run found, as plain data: the record that every report renders and that travels from a worker to its controller.

A leaf: only the standard library. The names and nesting of `RunReport.to_dict` are a contract (docs/report.md): tools
read them. NaN and infinity are written as the strings "nan" and "inf", because JSON has no others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

SCHEMA_VERSION = 1

#: Verdicts of an axis, of the values check and of the padding check.
DYNAMIC, FIXED, DIVERGES, STATIC, UNTESTED = "dynamic", "fixed", "diverges", "static", "untested"
#: Verdicts of the device check.
BOUND, PORTABLE = "bound", "portable"
#: Verdicts of the history check.
CLEAN, KEPT = "clean", "kept"
#: Outcomes of a check.
PASSED, FAILED, SKIPPED, ERROR = "passed", "failed", "skipped", "error"


@dataclass(frozen=True)
class Cause:
    """A source line that froze something. ``line`` 0 and an empty ``source`` say: line not known."""

    file: str
    line: int
    function: str
    source: str
    evidence: str
    #: The first and the last character of the expression that froze it, counted from 1 in ``source``; 0 is not known.
    column: int = 0
    end_column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return f"line not known: {self.evidence}"
        where = f"{self.file}:{self.line} in {self.function}"
        return f"{where}: {self.evidence}"

    @property
    def marked(self) -> list[str]:
        """The source line, and below it carets under the expression, where that is known; nothing without a source."""
        if not (self.source and self.column):
            return [self.source] if self.source else []
        before = "".join(sign if sign == "\t" else " " for sign in self.source[: self.column - 1])
        return [self.source, before + "^" * (self.end_column - self.column + 1)]


@dataclass
class CheckResult:
    """How one check ended. ``message`` is complete: evidence and hint included. ``passes`` counts the forward passes that it
    took, of eager and of the export together. ``reproducer`` is the path of a script that repeats a failure without us.
    ``peak_memory``: the most bytes that its process held in memory since the check before it ended, None where nobody knows."""

    name: str
    outcome: str = PASSED
    seconds: float = 0.0
    message: str = ""
    passes: int = 0
    reproducer: str | None = None
    peak_memory: int | None = None


@dataclass(frozen=True)
class Tried:
    """What became of both sides at full sizes, by axis. ``result`` is `agrees`, `raises`, `differs`, `refused` (by eager) or
    `undecidable`."""

    sizes: dict[str, int]
    result: str
    max_abs_difference: float | None = None


@dataclass
class AxisResult:
    """What was found about one axis. ``tried`` are the sizes at which both sides ran; ``tried_at`` is every trial in its
    order; ``reason`` says why an axis is untested."""

    axis: str
    min: int
    max: int
    verdict: str = UNTESTED
    tried: list[int] = field(default_factory=list)
    counterexample: dict[str, int] | None = None
    error: str | None = None
    max_abs_difference: float | None = None
    causes: list[Cause] = field(default_factory=list)
    reason: str | None = None
    tried_at: list[Tried] = field(default_factory=list)


@dataclass
class AnchorFinding:
    """What a trace made at another anchor would have got wrong."""

    anchor: dict[str, int]
    without: list[str]
    axis: str
    verdict: str
    causes: list[Cause] = field(default_factory=list)


@dataclass
class ValuesResult:
    """What was found about other values at the same sizes. ``counterexample`` names the values."""

    verdict: str = UNTESTED
    counterexample: dict[str, Any] | None = None
    causes: list[Cause] = field(default_factory=list)


@dataclass
class HistoryResult:
    """What calls before the trace leave in it. ``verdict`` is `clean` or `kept`; ``attribute`` the dotted name of what is
    kept, ``causes`` the lines that set it."""

    verdict: str = CLEAN
    attribute: str | None = None
    causes: list[Cause] = field(default_factory=list)


@dataclass
class Portability:
    """Whether the file is bound to the type of device it was traced on. ``verdict`` is `bound` or `portable`; ``ran_on`` are
    the devices it was run on beside that one."""

    traced_on: str = "cpu"
    verdict: str = PORTABLE
    causes: list[Cause] = field(default_factory=list)
    ran_on: list[str] = field(default_factory=list)


@dataclass
class JointResult:
    """What was tried with several axes moving at once, in the order of trial, and the smallest sizes that fail only so."""

    tried_at: list[Tried] = field(default_factory=list)
    counterexample: dict[str, int] | None = None


@dataclass(frozen=True)
class SpeedAt:
    """What one call takes at these sizes, in seconds: medians of calls in turn."""

    sizes: dict[str, int]
    eager_seconds: float
    export_seconds: float


@dataclass
class BucketCost:
    """What padding to one bucket costs: padded sizes over real ones, and seconds a call."""

    sizes: dict[str, int]
    real: dict[str, int]
    waste: float
    padded_seconds: float
    real_seconds: float


@dataclass
class PaddingResult:
    """Whether a padded input answers as the unpadded one, and what padding costs."""

    verdict: str = UNTESTED
    counterexample: dict[str, Any] | None = None
    buckets: list[BucketCost] = field(default_factory=list)


@dataclass
class Signature:
    """Dims by axis name where they move with it."""

    inputs: dict[str, list[str | int]] = field(default_factory=dict)
    outputs: dict[str, list[str | int]] = field(default_factory=dict)


@dataclass
class ExportResult:
    """Everything about one model on one backend. ``device`` is what a Neuron backend found and did."""

    backend: str
    signature: Signature = field(default_factory=Signature)
    anchors: list[dict[str, int]] = field(default_factory=list)
    checks: list[CheckResult] = field(default_factory=list)
    axes: list[AxisResult] = field(default_factory=list)
    anchor_findings: list[AnchorFinding] = field(default_factory=list)
    values: ValuesResult = field(default_factory=ValuesResult)
    padding: PaddingResult = field(default_factory=PaddingResult)
    device: dict[str, Any] | None = None
    history: HistoryResult | None = None
    portability: Portability | None = None
    joint: JointResult | None = None
    speed: list[SpeedAt] = field(default_factory=list)


@dataclass
class ModelResult:
    """Everything about one model. ``notes`` are sentences for the summary: why these weights, what was switched.

    ``inputs_found`` are the inputs that eager was found to take, as Python code to paste.
    """

    model: str
    class_name: str = ""
    task: str = "default"
    weights: str = ""
    parameters: int = 0
    exports: list[ExportResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    inputs_found: str = ""
    #: With several backends: by axis the verdict of each, ``{"axis": "sequence", "torchscript": "fixed", …}``.
    ladder: list[dict[str, str]] = field(default_factory=list)
    #: Where eager and export run, and what the model computes in: ``cpu``, ``bfloat16``.
    device: str = ""
    dtype: str = ""

    @property
    def checks(self) -> list[CheckResult]:
        """All checks of all backends."""
        return [check for export in self.exports for check in export.checks]

    @property
    def failures(self) -> list[CheckResult]:
        """The checks that failed or could not be carried out."""
        return [check for check in self.checks if check.outcome in (FAILED, ERROR)]

    @property
    def passed(self) -> bool:
        """Whether something was checked and nothing failed."""
        return not self.failures and any(check.outcome == PASSED for check in self.checks)

    def axis(self, name: str, backend: str | None = None) -> AxisResult:
        """Return what was found about an axis; KeyError where it was not looked at."""
        for export in self.exports:
            for axis in export.axes:
                if axis.axis == name and backend in (None, export.backend):
                    return axis
        raise KeyError(name)


@dataclass(frozen=True)
class Outline:
    """What a run has to know of a model before its tests: the ranges of its axes by name, in the order of the inputs, and
    its inputs."""

    ranges: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    task: str = "default"
    class_name: str = ""
    weights: str = ""


@dataclass
class RunReport:
    """One run: its environment and its models. ``complete`` False says that it was cut short, or is not over yet."""

    environment: dict[str, str] = field(default_factory=dict)
    models: list[ModelResult] = field(default_factory=list)
    complete: bool = True

    @property
    def totals(self) -> dict[str, Any]:
        """What all checks took together: forward passes, seconds, and the most bytes of memory that one process held."""
        checks = [check for model in self.models for check in model.checks]
        seconds = round(sum(check.seconds for check in checks), 3)
        peak = max((check.peak_memory or 0 for check in checks), default=0)
        totals = {"passes": sum(check.passes for check in checks), "seconds": seconds}
        return {**totals, "peak_memory": peak} if peak else totals

    def to_dict(self) -> dict[str, Any]:
        """Return the record as the report file holds it."""
        plain = to_plain(self)
        return {"schema_version": SCHEMA_VERSION, "complete": plain.pop("complete"), **plain, "totals": self.totals}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RunReport:
        """Return the report that `to_dict` made a dict of."""
        report: RunReport = from_plain(cls, data)
        return report


_RENAMED = {"class_name": "class"}
#: Keys that stand in the record only when they say something.
_OMIT_EMPTY = {
    *("reason", "device", "history", "portability", "notes", "buckets", "ladder", "inputs_found", "dtype"),
    *("joint", "speed", "column", "end_column", "peak_memory"),
}


def to_plain(value: Any) -> Any:
    """Turn results into dicts, lists, strings and numbers that JSON can hold."""
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((item.name, getattr(value, item.name)) for item in fields(value))
        return {_RENAMED.get(name, name): to_plain(item) for name, item in pairs if item or name not in _OMIT_EMPTY}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


_NESTED: dict[str, Any] = {
    "causes": Cause,
    "exports": ExportResult,
    "checks": CheckResult,
    "axes": AxisResult,
    "anchor_findings": AnchorFinding,
    "values": ValuesResult,
    "padding": PaddingResult,
    "history": HistoryResult,
    "portability": Portability,
    "buckets": BucketCost,
    "tried_at": Tried,
    "joint": JointResult,
    "speed": SpeedAt,
    "signature": Signature,
    "models": ModelResult,
}


def from_plain(kind: Any, data: Mapping[str, Any]) -> Any:
    """Turn a dict made by `to_plain` back into a result of the given class."""
    values: dict[str, Any] = {}
    for item in fields(kind):
        key = _RENAMED.get(item.name, item.name)
        if key not in data:
            continue
        value, nested = data[key], _NESTED.get(item.name)
        if nested is not None and isinstance(value, list):
            value = [from_plain(nested, entry) for entry in value]
        elif nested is not None and isinstance(value, Mapping):
            value = from_plain(nested, value)
        values[item.name] = value
    return kind(**values)


def merge_models(pieces: Iterable[ModelResult]) -> list[ModelResult]:
    """Join the pieces that the tests of a run reported, model by model and backend by backend, in order of arrival."""
    models: dict[str, ModelResult] = {}
    for piece in pieces:
        model = models.setdefault(piece.model, ModelResult(piece.model))
        for name in ("class_name", "weights", "parameters", "device", "dtype", "inputs_found"):
            setattr(model, name, getattr(piece, name) or getattr(model, name))
        if piece.class_name:
            model.task = piece.task
        model.notes.extend(note for note in piece.notes if note not in model.notes)
        for export in piece.exports:
            _merge_export(model, export)
    for model in models.values():
        model.ladder = _ladder(model)
    return list(models.values())


def _ladder(model: ModelResult) -> list[dict[str, str]]:
    """Set the axes of several backends side by side; nothing where there is one backend."""
    if len(model.exports) < 2:
        return []
    names = dict.fromkeys(axis.axis for export in model.exports for axis in export.axes)
    found = [(export.backend, {axis.axis: axis.verdict for axis in export.axes}) for export in model.exports]
    return [{"axis": name, **{backend: verdicts.get(name, UNTESTED) for backend, verdicts in found}} for name in names]


def _merge_export(model: ModelResult, piece: ExportResult) -> None:
    export = next((known for known in model.exports if known.backend == piece.backend), None)
    if export is None:
        model.exports.append(export := ExportResult(piece.backend))
    replaced = {check.name for check in piece.checks}  # a rerun of a test replaces its first result
    export.checks = [check for check in export.checks if check.name not in replaced] + piece.checks
    moved = {axis.axis for axis in piece.axes}
    export.axes = [axis for axis in export.axes if axis.axis not in moved] + piece.axes
    export.anchors.extend(anchor for anchor in piece.anchors if anchor not in export.anchors)
    export.anchor_findings.extend(finding for finding in piece.anchor_findings if finding not in export.anchor_findings)
    if piece.signature.outputs or (piece.signature.inputs and not export.signature.inputs):
        export.signature = piece.signature
    if piece.values.verdict != UNTESTED:
        export.values = piece.values
    if piece.padding.verdict != UNTESTED:
        export.padding = piece.padding
    export.device = piece.device or export.device
    export.history = piece.history or export.history
    export.portability = piece.portability or export.portability
    export.joint = piece.joint or export.joint
    export.speed = piece.speed or export.speed
