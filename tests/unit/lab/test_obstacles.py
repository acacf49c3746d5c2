"""What keeps one backend of several from being checked, and what it costs: that backend's checks, and no others."""

from __future__ import annotations

import pytest

from pytest_torchscript.backends import Artifact, Backend, Readiness, Traits, Unavailable, Unsupported
from pytest_torchscript.checks import check
from tests import toys


class Hindered(Backend):
    """Its export is the model itself; what hinders it is for subclasses to say."""

    name = "hindered"
    traits = Traits()

    def export(self, request):
        return request.module


class NotThere(Hindered):
    def readiness(self):
        raise Unavailable("the server is not there", hint="start it")


class NotReady(Hindered):
    def readiness(self):
        return Readiness("fail", "it needs a licence", "buy one")


class Skipped(Hindered):
    def readiness(self):
        return Readiness("skip", "only on Sundays", "wait")


class Lost(Hindered):
    def export(self, request):
        raise Unavailable("no connection")


class Lacking(Hindered):
    def export(self, request):
        raise Unsupported("no kernels for this dtype")


class Refusing(Hindered):
    def export(self, request):
        raise ValueError("an operator is missing")


class Broken(Hindered):
    def readiness(self):
        return 1 / 0


class Sleepy(Hindered):
    """Answers, but not to what it is asked after the export."""

    def export(self, request):
        class Asleep(Artifact):
            def __call__(self, *tensors):
                raise Unavailable("it sleeps")

        return Asleep()


@pytest.mark.parametrize(
    ("backend", "outcome", "said"),
    [
        (NotThere, "error", "the server is not there"),
        (NotReady, "failed", "it needs a licence"),
        (Skipped, "skipped", "only on Sundays"),
        (Lost, "error", "no connection"),
        (Lacking, "skipped", "no kernels for this dtype"),
        (Refusing, "failed", "an operator is missing"),
        (Broken, "error", "ZeroDivisionError"),
    ],
)
def test_it_is_told_by_trace_and_the_others_go_on(backend, outcome, said):
    found = check(
        toys.Sound().eval(), inputs=toys.SIGNAL, backends=("hindered", "torchscript"), own_backends=(backend,),
        checks=("trace", "outputs", "axis", "values", "padding", "save_load"),
    )  # fmt: skip
    hindered, sound = found.exports
    assert hindered.checks[0].outcome == outcome
    assert said in hindered.checks[0].message
    assert {item.outcome for item in hindered.checks[1:]} == {"skipped"}, [item.message for item in hindered.checks]
    assert {axis.verdict for axis in hindered.axes} == {"untested"}
    assert {item.name: item.outcome for item in sound.checks if item.name != "padding"} == dict.fromkeys(
        ["trace", "outputs", "axis[batch]", "axis[time]", "values", "save_load"], "passed"
    )
    assert [row["hindered"] for row in found.ladder] == ["untested", "untested"]


@pytest.mark.parametrize("name", ["outputs", "axis", "values", "joint", "padding"])
def test_an_artifact_that_is_unavailable_gives_no_verdict(name):
    found = check(
        toys.Masked().eval(), inputs=toys.TEXT, backends=("hindered",), own_backends=(Sleepy,), checks=(name,)
    )
    assert "it sleeps" in found.checks[0].message
    assert found.checks[0].outcome == "error"
    assert not {axis.verdict for axis in found.exports[0].axes} & {"fixed", "diverges", "dynamic"}
    assert found.exports[0].values.verdict == found.exports[0].padding.verdict == "untested"
