"""What a check returns: an outcome, its words, and the parts of the report it fills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_torchscript.lab.trial import Trial
from pytest_torchscript.results import (
    FAILED,
    PASSED,
    SKIPPED,
    AnchorFinding,
    AxisResult,
    HistoryResult,
    JointResult,
    PaddingResult,
    Portability,
    Signature,
    SpeedAt,
    ValuesResult,
)


@dataclass(frozen=True)
class Finding:
    """One answer. ``headline`` says who and what; ``evidence`` and ``hint`` belong to failures."""

    outcome: str
    headline: str = ""
    evidence: Sequence[str] = ()
    hint: str = ""
    axis: AxisResult | None = None
    axes: Sequence[AxisResult] = ()
    values: ValuesResult | None = None
    padding: PaddingResult | None = None
    history: HistoryResult | None = None
    portability: Portability | None = None
    joint: JointResult | None = None
    speed: Sequence[SpeedAt] = ()
    anchor_findings: Sequence[AnchorFinding] = ()
    signature: Signature | None = None
    device: dict[str, Any] | None = None
    notes: Sequence[str] = field(default_factory=tuple)

    @classmethod
    def passed(cls, headline: str = "", **parts: Any) -> Finding:
        """Return a pass; what is worth knowing stands in the headline."""
        return cls(PASSED, headline, **parts)

    @classmethod
    def skipped(cls, reason: str, **parts: Any) -> Finding:
        """Return a skip with its reason."""
        return cls(SKIPPED, reason, **parts)

    @classmethod
    def undecidable(cls, trial: Trial) -> Finding:
        """Return the skip of a comparison where eager's own rounding noise would let any answer pass."""
        return cls.skipped("undecidable: " + "; ".join(trial.lines))

    @classmethod
    def failed(cls, headline: str, evidence: Sequence[str], hint: str, **parts: Any) -> Finding:
        """Return a failure: what, evidence, one hint."""
        return cls(FAILED, headline, tuple(evidence), hint, **parts)
