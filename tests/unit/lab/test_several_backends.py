"""Several backends of one run: one model, one eager."""

from __future__ import annotations

from pytest_torchscript.backends import Backend
from pytest_torchscript.checks import check, make_plan
from pytest_torchscript.checks.run import run_check
from pytest_torchscript.settings import Settings
from tests import toys


class Eagerly(Backend):
    """Its export is the model itself."""

    name = "eagerly"

    def export(self, request):
        return request.module


BOTH = Settings(backends=("torchscript", "eagerly"), own_backends=(Eagerly,))


def test_eager_answers_once_for_all_of_them():
    plan = make_plan(toys.Sound().eval(), BOTH, inputs=toys.SIGNAL)
    first = plan.load("torchscript")
    second = plan.load("eagerly", beside=first)
    assert second.subject is first.subject
    for lab in (first, second):
        for name in ("outputs", "axis"):
            for axis in lab.spec.axes if name == "axis" else (None,):
                assert run_check(lab, name, axis).checks[0].outcome == "passed"
        passes = first.subject.eager.passes
        if lab is first:
            before = passes
    assert passes == before


def test_each_has_its_verdicts_and_the_ladder_sets_them_side_by_side():
    found = check(
        toys.FrozenView().eval(),
        inputs=toys.SIGNAL,
        backends=BOTH.backends,
        own_backends=BOTH.own_backends,
        checks="axis",
    )
    assert {row["axis"]: (row["torchscript"], row["eagerly"]) for row in found.ladder}["time"] == ("fixed", "dynamic")
