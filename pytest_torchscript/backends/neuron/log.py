"""What torch_neuron says while it compiles. It falls back to the CPU without an exception: its log is the only witness.

The texts are those of the vendor's issue threads (docs/neuron.md lists them); what is not understood is kept and
never taken for proof that something runs on the device.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

LOGGER = "Neuron"
#: A smaller share of arithmetic operators on the device is warned of. Text models keep their embedding on the CPU
#: (92 to 97 % in the vendor's threads), so the bar stands below that.
FUSED_THRESHOLD = 80.0

ON_DEVICE, PARTLY, NOTHING, UNKNOWN = "on device", "partly on CPU", "nothing on device", "unknown"

_STATISTICS = re.compile(r"operators \(pre-compilation\) before = (\d+), fused = (\d+), percent fused = ([\d.]+)%")
_PARTITIONED = re.compile(r"partitioner created (\d+) sub-graphs?")
_COMPILED = re.compile(r"successfully compiled (\d+) sub-graphs?, Total fused subgraphs = (\d+)")
_FELL_BACK = re.compile(r"failed on (\S+?); falling back to native python function call")
_CPU_TRACE = re.compile(r"No operator is placed on Neuron runtime|returning a CPU trace")
_NOTHING = re.compile(r"No operations were successfully partitioned")
_UNSUPPORTED = re.compile(r"=> (\S+): (\d+) \[not supported\]")


@dataclass(frozen=True)
class NeuronLog:
    """The statistics of one compilation; None where the log did not say."""

    operators: int | None = None
    fused: int | None = None
    percent_fused: float | None = None
    partitioned: int | None = None
    compiled: int | None = None
    fell_back: tuple[str, ...] = ()
    cpu_trace: bool = False
    unsupported: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, Any]:
        """What stands in the report: everything that was said."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value or value == 0
        }


@dataclass(frozen=True)
class Placement:
    """Where the graph ended. ``verdict`` `nothing on device` fails, `partly on CPU` and `unknown` warn."""

    verdict: str
    reasons: tuple[str, ...] = ()


@dataclass
class LogCapture(logging.Handler):
    """Collects ``(level, text)`` of records."""

    lines: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(logging.DEBUG)

    __hash__ = logging.Handler.__hash__

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        self.lines.append((record.levelno, record.getMessage()))


@contextmanager
def captured() -> Iterator[LogCapture]:
    """Listen to the logger `Neuron`, at INFO, and leave it as it was."""
    logger, capture = logging.getLogger(LOGGER), LogCapture()
    level, disabled = logger.level, logger.disabled
    logger.addHandler(capture)
    logger.disabled = False
    if logger.getEffectiveLevel() > logging.INFO:
        logger.setLevel(logging.INFO)
    try:
        yield capture
    finally:
        logger.removeHandler(capture)
        logger.setLevel(level)
        logger.disabled = disabled


def read_log(lines: Iterable[tuple[int, str]]) -> NeuronLog:
    """Read the statistics out of a log; of a statistic said twice, the last counts."""
    kept = list(lines)
    text = "\n".join(line for _, line in kept)
    statistics, compiled = _last(_STATISTICS, text), _last(_COMPILED, text)
    partitioned = _last(_PARTITIONED, text)
    return NeuronLog(
        operators=int(statistics[0]) if statistics else None,
        fused=int(statistics[1]) if statistics else None,
        percent_fused=float(statistics[2]) if statistics else None,
        partitioned=int(partitioned[0]) if partitioned else None,
        compiled=int(compiled[1]) if compiled else None,
        fell_back=tuple(_FELL_BACK.findall(text)),
        cpu_trace=bool(_CPU_TRACE.search(text) or _NOTHING.search(text)),
        unsupported=tuple(f"{name} ({count})" for name, count in _UNSUPPORTED.findall(text)),
        errors=tuple(line for level, line in kept if level >= logging.ERROR),
    )


def _last(pattern: re.Pattern[str], text: str) -> tuple[str, ...]:
    found = list(pattern.finditer(text))
    return found[-1].groups() if found else ()


def judge_placement(log: NeuronLog, *, threshold: float = FUSED_THRESHOLD, neuron_operators: int = 0) -> Placement:
    """Say whether the graph is on the device, by the rule of docs/neuron.md.

    ``neuron_operators`` counts ``neuron::`` nodes in the artifact's graph: the witness where the log was silent.
    """
    nothing = tuple(_nothing_reasons(log))
    if nothing:
        return Placement(NOTHING, nothing)
    partly = tuple(_partly_reasons(log, threshold))
    if partly:
        return Placement(PARTLY, partly)
    if log.percent_fused is None and log.compiled is None and not neuron_operators:
        return Placement(UNKNOWN, ("the compiler's log says nothing of where the operators went",))
    return Placement(ON_DEVICE)


def _nothing_reasons(log: NeuronLog) -> Iterator[str]:
    if log.cpu_trace:
        yield "torch_neuron returned a CPU trace: no operator is placed on the Neuron runtime"
    if log.partitioned == 0:
        yield "the partitioner created 0 sub-graphs"
    if log.fused == 0 or log.percent_fused == 0:
        yield "0 operators were fused"
    if log.compiled == 0:
        yield "0 sub-graphs were compiled"
    if log.partitioned and log.compiled is None and len(set(log.fell_back)) >= log.partitioned:
        yield f"all {log.partitioned} sub-graphs were put back on the CPU"


def _partly_reasons(log: NeuronLog, threshold: float) -> Iterator[str]:
    for graph in log.fell_back:
        yield f"sub-graph {graph} failed to compile and was put back on the CPU"
    if log.partitioned and log.compiled is not None and 0 < log.compiled < log.partitioned and not log.fell_back:
        yield f"{log.compiled} of {log.partitioned} sub-graphs were compiled"
    if log.percent_fused is not None and log.percent_fused < threshold:
        yield f"{log.percent_fused:g} % of the arithmetic operators are on the device, expected {threshold:g} %"
