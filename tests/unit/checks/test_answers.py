"""The first questions are put once, and one check tells of an answer that leaves others without one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_torchscript.backends import Unavailable
from pytest_torchscript.checks.answers import FIRST, answer, carried_out, unmet
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import ARTIFACT, OUTPUTS, STEADY
from pytest_torchscript.errors import BackendError, InputError, MachineFailure
from tests import toys
from tests.asking import lab_of


def raises(error: BaseException):
    def question() -> Finding:
        raise error

    return question


def test_a_first_question_is_put_once() -> None:
    lab = lab_of(toys.Sound())
    found = answer(lab, "outputs")
    passes = lab.subject.passes.count
    assert answer(lab, "outputs") is found
    assert lab.subject.passes.count == passes
    assert FIRST == ("trace", "determinism", "outputs")


def test_a_need_that_is_met_hinders_nothing() -> None:
    assert unmet(lab_of(toys.Sound()), "axis", (STEADY, ARTIFACT, OUTPUTS), "time") is None


def test_those_that_need_it_name_the_check_that_tells() -> None:
    lab = lab_of(toys.Counter())
    found = unmet(lab, "axis", (STEADY,), "time")
    assert found.outcome == "skipped"
    assert found.headline.startswith("not deterministic: it keeps `self.calls` between calls")
    assert found.headline.endswith(", see test_determinism")
    assert (found.axis.axis, found.axis.verdict) == ("time", "untested")


def test_where_that_takes_no_part_the_first_that_needs_it_tells() -> None:
    lab = replace(lab_of(toys.Doubled()), selected=frozenset({"values", "padding"}))
    told, other = (unmet(lab, check, (OUTPUTS,)) for check in ("values", "padding"))
    assert told.outcome == "failed"
    assert "at the anchor itself" in told.headline
    assert (other.outcome, other.headline) == ("skipped", "see test_values")


@pytest.mark.parametrize(
    ("error", "headline", "hint"),
    [
        (InputError("no such size", hint="give another"), "no such size", "give another"),
        (BackendError("broken"), "broken", "see the message above"),
        (ZeroDivisionError("division by zero"), "values could not be carried out", "the line above raised where"),
        (SystemExit(3), "values could not be carried out", "the line above raised where"),
    ],
)
def test_what_is_raised_is_an_error_and_never_a_pass(error: BaseException, headline: str, hint: str) -> None:
    found = carried_out(lab_of(toys.Sound()), "values", raises(error))
    assert (found.outcome, found.headline) == ("error", headline)
    assert found.hint.startswith(hint)


def test_an_interrupt_ends_the_run() -> None:
    with pytest.raises(KeyboardInterrupt):
        carried_out(lab_of(toys.Sound()), "values", raises(KeyboardInterrupt()))


def test_after_two_checks_that_a_backend_was_not_there_for_nothing_more_is_asked() -> None:
    lab, gone = lab_of(toys.Sound()), raises(MachineFailure(Unavailable("no connection")))
    assert carried_out(lab, "values", gone).outcome == "error"
    assert lab.lost == ""
    carried_out(lab, "joint", lambda: Finding.skipped("nothing to ask"))
    carried_out(lab, "padding", gone)
    assert lab.lost == "no connection"


def test_an_answer_in_between_starts_the_count_anew() -> None:
    lab, gone = lab_of(toys.Sound()), raises(MachineFailure(Unavailable("no connection")))
    for question in (gone, Finding.passed, gone):
        carried_out(lab, "values", question)
    assert (lab.lost, lab.unavailable) == ("", 1)


def test_a_device_that_gave_up_is_lost_at_once() -> None:
    lab = lab_of(toys.Sound())
    carried_out(lab, "values", raises(MachineFailure(BackendError("the device gave up"), lost=True)))
    assert lab.lost == "the device gave up"
