"""Turn the outcome of a check into pytest's: pass, fail with the message alone, skip with the reason, or expected failure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import Error
from pytest_torchscript.plugin.models import Cases, Subject, told
from pytest_torchscript.plugin.names import PAYLOAD, PREFIX
from pytest_torchscript.plugin.neuron import note_emulation
from pytest_torchscript.plugin.options import run_of
from pytest_torchscript.results import ERROR, FAILED, PASSED, SKIPPED, CheckResult, ModelResult, merge_models, to_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_torchscript.checks import Lab
    from pytest_torchscript.report.known import KnownFailures


@dataclass(frozen=True)
class SuiteCase:
    """What a test of the suite is given: its model on one backend, loaded when the first check asks."""

    item: pytest.Item
    cases: Cases
    reference: str
    backend: str
    subject: Callable[[], Subject]

    def require(self, check: str, axis: str | None = None) -> None:
        """Carry out one check and end the test as the check ended."""
        from pytest_torchscript.checks import run_check

        self._announce()
        case = self._case()
        with quiet():
            axes = list(case.spec.axes) if check == "axis" and axis is None else [axis]
            pieces = [run_check(case, check, name) for name in axes]
        for piece in pieces:
            piece.model = self.reference
            note_emulation(self.item, piece)
            self.item.user_properties.extend(properties_of(piece))
        self.item.stash[PAYLOAD]["pieces"] = [to_plain(joined(pieces, check) if axis is None else pieces[0])]
        conclude(run_of(self.item.config).known, pieces)

    def report_unresolved(self) -> None:
        """End the one test of a reference that could not be resolved."""
        self._announce()
        try:
            self.cases.plan(self.subject())
        except Error as error:
            message = told(error, self.reference)
        else:
            return
        pytest.fail(message, pytrace=False)

    def _announce(self) -> None:
        """Let the report of this test say what it was about, whatever becomes of it."""
        self.item.stash[PAYLOAD] = {"model": self.reference, "backend": self.backend}

    def _case(self) -> Lab:
        try:
            return self.cases.case(self.subject(), self.backend)
        except Error as error:
            first, message = self.cases.first_to_tell(error, self.item.nodeid), told(error, self.reference)
        if first != self.item.nodeid:
            pytest.skip(f"{PREFIX}::{self.reference} could not be loaded: see {first}")
        pytest.fail(message, pytrace=False)


def joined(pieces: Sequence[ModelResult], check: str) -> ModelResult:
    """Return the pieces of one test as a piece with one check: a test whose axes are not known before it runs."""
    if len(pieces) == 1 and pieces[0].checks[0].name == check:
        return pieces[0]
    checks = [piece.checks[0] for piece in pieces]
    outcomes = [check.outcome for check in checks]
    outcome = next((worst for worst in (FAILED, ERROR, PASSED) if worst in outcomes), SKIPPED)
    messages = [check.message for check in checks if check.message and check.outcome == outcome]
    whole = merge_models(pieces)[0]
    whole.exports[0].checks = [
        CheckResult(check, outcome, round(sum(part.seconds for part in checks), 3), "\n".join(messages))
    ]
    return whole


def properties_of(piece: ModelResult) -> Iterator[tuple[str, object]]:
    """Yield the short facts that belong into a JUnit file."""
    yield "torchscript_model", piece.model
    for export in piece.exports:
        for axis in export.axes:
            yield "torchscript_axis", axis.axis
            yield "torchscript_verdict", axis.verdict


def conclude(known: KnownFailures | None, pieces: Sequence[ModelResult]) -> None:
    """End a test as the checks of its pieces ended, known failures considered."""
    ended = [(piece, piece.checks[0]) for piece in pieces]
    failed = [(piece, check) for piece, check in ended if check.outcome in (FAILED, ERROR)]
    reasons = [known_reason(known, piece, check) for piece, check in failed]
    unknown = [check.message for (_, check), reason in zip(failed, reasons) if reason is None]
    unknown += [text for piece, check in ended if check.outcome == PASSED for text in out_of_date(known, piece, check)]
    if unknown:
        pytest.fail("\n".join(unknown), pytrace=False)
    if failed:
        pytest.xfail("known: " + "; ".join(reason for reason in reasons if reason))
        pytest.fail("\n".join(check.message for _, check in failed), pytrace=False)  # reached with --runxfail
    if ended and all(check.outcome == SKIPPED for _, check in ended):
        pytest.skip("; ".join(dict.fromkeys(check.message for _, check in ended)))


def known_reason(known: KnownFailures | None, piece: ModelResult, check: CheckResult) -> str | None:
    """Return why a failure is expected, or None for one that is news."""
    if known is None:
        return None
    export = piece.exports[0]
    name, axis = name_and_axis(check)
    verdict = export.axes[0].verdict if axis and export.axes else None
    if name in ("values", "padding"):
        verdict = getattr(export, name).verdict
    return known.match(piece.model, name, axis=axis, verdict=verdict, backend=export.backend)


def out_of_date(known: KnownFailures | None, piece: ModelResult, check: CheckResult) -> Iterator[str]:
    """Yield the message of a test that passes although it is listed as a known failure."""
    if known is None:
        return
    from pytest_torchscript.report.known import Item

    name, axis = name_and_axis(check)
    entry = known.listed(Item(piece.model, name, axis, piece.exports[0].backend))
    if entry is not None:
        yield (
            f"{PREFIX}::{piece.model}: {check.name} passes, but is listed as a known failure: {entry.reason}\n"
            f"    {known.path}: {entry}\n"
            "    hint: remove the entry from the file of known failures"
        )


def name_and_axis(check: CheckResult) -> tuple[str, str | None]:
    """Take ``axis[sequence]`` apart."""
    name, bracket, axis = check.name.partition("[")
    return name, axis.rstrip("]") if bracket else None
