"""What stops everything before a check can be asked is an error of ours, whatever was raised."""

from __future__ import annotations

import pytest

from pytest_torchscript.backends import Backend, Readiness
from pytest_torchscript.checks.obstacles import or_error, require_backend, unless_error
from pytest_torchscript.errors import BackendError, InputError, MachineFailure, ModelError
from pytest_torchscript.lab.plan import make_plan
from pytest_torchscript.settings import Settings
from tests import toys


def raises(error: BaseException):
    def make() -> None:
        raise error

    return make


def test_what_is_made_is_returned() -> None:
    assert unless_error(or_error(lambda: 3, "m")) == 3


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (InputError("no such axis", hint="look"), InputError, "no such axis\n    hint: look"),
        (MachineFailure(BackendError("out of memory")), BackendError, "out of memory"),
        (ZeroDivisionError("division by zero"), ModelError, "m: ZeroDivisionError: division by zero\n    at "),
        (SystemExit(3), ModelError, "m: SystemExit: 3"),
    ],
)
def test_nobody_falls_over_what_is_raised(error: BaseException, kind: type[Exception], said: str) -> None:
    found = or_error(raises(error), "m")
    assert type(found) is kind
    assert str(found).startswith(said)
    with pytest.raises(kind):
        unless_error(found)


def test_an_interrupt_ends_the_run() -> None:
    with pytest.raises(KeyboardInterrupt):
        or_error(raises(KeyboardInterrupt()), "m")


class Required(Backend):
    name = "required"

    def readiness(self) -> Readiness:
        return Readiness("fail", "the licence is gone", "buy one")


class Skipped(Required):
    name = "skipped"

    def readiness(self) -> Readiness:
        return Readiness("skip", "only on Sundays")


def test_a_backend_that_the_run_cannot_go_on_without_is_told_at_once() -> None:
    settings = Settings(own_backends=(Required, Skipped))
    plan = make_plan(toys.Sound().eval(), settings, inputs=toys.SIGNAL)
    with pytest.raises(BackendError, match="the licence is gone\n    hint: buy one"):
        require_backend(plan, "required")
    assert require_backend(plan, "skipped").name == "skipped"


def test_a_file_made_elsewhere_asks_no_backend() -> None:
    plan = make_plan(toys.Sound().eval(), Settings(artifact="shipped.pt"), inputs=toys.SIGNAL)
    assert require_backend(plan, "torchscript") is None
