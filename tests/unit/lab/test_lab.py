"""The parts of a lab are made of one subject and one backend; a backend that cannot say whether it is ready is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_torchscript.backends import Backend, Readiness, Traits, Unavailable
from pytest_torchscript.errors import MachineFailure
from tests import toys
from tests.asking import lab_of


class Broken(Backend):
    name = "broken"
    traits = Traits()
    error: Exception = ZeroDivisionError("division")

    def readiness(self) -> Readiness:
        raise self.error


class Gone(Broken):
    error = Unavailable("the server is not there", hint="start it")


@pytest.mark.parametrize(("backend", "kept"), [(Broken(), ZeroDivisionError), (Gone(), MachineFailure)])
def test_what_readiness_raises_is_kept_for_the_check_that_tells(backend: Backend, kept: type[BaseException]) -> None:
    lab = replace(lab_of(toys.Sound()), backend=backend)
    assert lab.readiness.action == "fail"
    assert isinstance(lab.unready, kept)


def test_parts_share_what_they_ask() -> None:
    lab = lab_of(toys.Sound())
    assert lab.export.subject is lab.bench.subject is lab.subject
    assert lab.bench.export is lab.export
    assert lab.readiness.action == "run"
    assert lab.made == "traced"
    assert replace(lab, backend=Broken()).made == "exported"


def test_a_variant_starts_anew_on_the_same_weights() -> None:
    lab = lab_of(toys.Masked(), inputs=toys.TEXT)
    assert lab.export.artifact is not None
    variant = lab.variant(without=("attention_mask",))
    assert list(variant.spec) == ["input_ids"]
    assert variant.export.made is None
    assert variant.subject.loaded is lab.subject.loaded
    assert list(lab.spec) == ["input_ids", "attention_mask"]
