"""Put a comparison into words: one line a leaf, the worst first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_torchscript.compare.mismatches import Comparison, Mismatch

_SHOWN = 5


def describe(comparison: Comparison) -> list[str]:
    """Return the lines of a failure: the first five leaves, the count of the rest, then the notes."""
    lines = [_line(mismatch) for mismatch in comparison.mismatches[:_SHOWN]]
    rest = len(comparison.mismatches) - _SHOWN
    if rest > 0:
        lines.append(f"and {rest} more {'output differs' if rest == 1 else 'outputs differ'}")
    return [*lines, *(f"note: {note}" for note in comparison.notes)]


def _line(mismatch: Mismatch) -> str:
    where = mismatch.path if mismatch.path == "output" else f"output {mismatch.path}"
    if mismatch.kind in ("structure", "shape", "dtype"):
        label = "" if mismatch.kind == "structure" else f"{mismatch.kind} "
        return f"{where}: {label}{_value(mismatch.actual)}, eager gives {_value(mismatch.expected)}"
    return f"{where}: {_values(mismatch)}"


def _values(mismatch: Mismatch) -> str:
    sides = f"actual {_value(mismatch.actual)}, expected {_value(mismatch.expected)}"
    differ = f"{mismatch.count} of {mismatch.total} differ"
    if mismatch.kind == "nonfinite":
        return f"{sides} at {mismatch.index}: values that are not finite must match; {differ}"
    if isinstance(mismatch.expected, (bool, int)):
        allowed = f", allowed {mismatch.allowed:g}" if mismatch.allowed else ""
        return f"{sides} at {mismatch.index}{allowed}; {differ}"
    difference = f"max |actual - expected| = {_value(mismatch.difference)}"
    head = f"{difference} at {mismatch.index}, allowed {mismatch.allowed:.1e}"
    if mismatch.kind == "undecidable":
        return f"{head}; {sides}: within eager's own rounding, which is too large to judge by"
    return f"{head}; {sides}; {differ}; atol={mismatch.required:.1e} would have passed"


def _value(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, (float, complex)) else str(value)
