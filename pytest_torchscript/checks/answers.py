"""The first questions, and who tells where the answer leaves others without one.

Whether eager agrees with itself, whether there is an export, and whether that is right for the very inputs it was made with:
others need it. One cause is told once, by the check that asks for it; those that need it are skipped and name that one. Where
it takes no part in a run (``-k``), the first that needs it tells in its place, so that no selection passes in silence.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

from pytest_torchscript.backends.base import FAIL, Spent, Unavailable, Unsupported
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import ARTIFACT, OUTPUT, OUTPUTS, READY, STEADY, of_axis
from pytest_torchscript.checks.registry import check_named
from pytest_torchscript.errors import Error, MachineFailure, passes_through
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.results import ERROR, FAILED, SKIPPED
from pytest_torchscript.tracing.words import raised_at, words_of

#: Which check tells of a need that is not met, in the order in which they are asked.
_TOLD_BY = {READY: "trace", STEADY: "determinism", ARTIFACT: "trace", OUTPUTS: "outputs", OUTPUT: "outputs"}
#: The checks whose answers are kept, because others need them.
FIRST = tuple(dict.fromkeys(_TOLD_BY.values()))
#: After so many checks in a row that a backend was not there for, the rest is not asked.
_PATIENCE = 2
_log = logging.getLogger("pytest_torchscript")


def answer(lab: Lab, check: str) -> Finding:
    """Return what one of the first questions is answered; each is put once."""
    if check not in lab.answers:
        lab.answers[check] = carried_out(lab, check, lambda: check_named(check)(lab))
    found: Finding = lab.answers[check]
    return found


def unmet(lab: Lab, check: str, needs: Iterable[str], axis: str | None = None) -> Finding | None:
    """Return what a check ends with whose needs are not met: the skip that names who tells, or what is to be told."""
    for need, asked in _TOLD_BY.items():
        if need not in needs or _is_met(lab, need):
            continue
        found = answer(lab, asked)
        if found.outcome == SKIPPED:  # it has its reason: a model without weights that reads some of its own
            return of_axis(lab, axis, Finding.skipped(found.headline), found.headline)
        name = f"{check}[{axis}]" if axis is not None else check
        teller = asked if lab.selected is None or asked in lab.selected else lab.tellers.setdefault(asked, name)
        if teller == name:
            told = replace(found, signature=None, device=None, notes=())
            return of_axis(lab, axis, told, f"see test_{teller}")
        why = found.headline if need == STEADY else lab.backend.lacks.get(need, _WHY.get(need, ""))
        why += ", " if why else ""
        return of_axis(lab, axis, Finding.skipped(f"{why}see test_{teller}"), f"{why}see test_{teller}")
    return None


_WHY = {READY: "not ready", ARTIFACT: "no artifact"}


def _is_met(lab: Lab, need: str) -> bool:
    """Whether a need is met, as cheaply as that can be known."""
    if need == READY:
        return lab.readiness.action != FAIL
    if need == ARTIFACT and "trace" not in lab.answers:
        try:
            lab.export.artifact  # noqa: B018 - exporting is the question
        except (Exception, MachineFailure):
            return False
        return True
    outcome = answer(lab, _TOLD_BY[need]).outcome
    if need == ARTIFACT:
        return not isinstance(lab.export.made, BaseException)
    return outcome != ERROR and (outcome != FAILED or need == OUTPUT)


def carried_out(lab: Lab, name: str, question: Callable[[], Finding]) -> Finding:
    """Return what a question is answered; whatever is raised instead becomes an error with its own words."""
    try:
        found = question()
    except MachineFailure as failed:
        if isinstance(failed.error, (Spent, Unsupported)):
            return Finding.skipped(str(failed.error))
        if isinstance(failed.error, Unavailable):
            lab.unavailable += 1
        if failed.lost or lab.unavailable >= _PATIENCE:
            lab.lost = failed.error.message
        return _error(failed.error)
    except Error as error:
        return _error(error)
    except BaseException as error:  # a fault of ours or of the model's Python code must not look like a pass
        if passes_through(error):
            raise
        _log.debug("%s broke down", name, exc_info=error)
        return Finding(ERROR, f"{name} could not be carried out", words_of(error), _hint(error))
    if found.outcome != SKIPPED:
        lab.unavailable = 0
    return found


def _error(error: Error) -> Finding:
    return Finding(ERROR, error.message, error.evidence, error.hint or "see the message above")


def _hint(error: BaseException) -> str:
    if raised_at(error):
        return "the line above raised where nothing should: it is the model's, or of a library that it uses"
    return "a fault of pytest-torchscript: please report it; --log-file=FILE --log-file-level=DEBUG keeps its traceback"
