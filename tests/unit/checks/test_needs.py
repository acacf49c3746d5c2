"""What a check may need: each is seen to be missing once, and the check is skipped for it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from torch import nn

from pytest_torchscript import TensorSpec
from pytest_torchscript.backends import Backend, Readiness, Traits, Unavailable
from pytest_torchscript.checks.answers import unmet
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import (
    ANSWERS,
    ARTIFACT,
    COMPARED,
    MOVES,
    OUTPUT,
    OUTPUTS,
    READY,
    REEXPORTS,
    SAVES,
    STEADY,
    TORCHSCRIPT,
    WEIGHTS,
    obstacle,
    without_room,
)
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.plan import make_plan
from pytest_torchscript.settings import Settings
from tests import toys
from tests.asking import answer, ask


class Bare(Backend):
    """Is able to do nothing."""

    name = "bare"
    traits = Traits(moves=False, reexports=False)
    lacks: ClassVar[dict[str, str]] = {SAVES: "{backend} keeps it in a drawer"}
    ready = Readiness()

    def readiness(self) -> Readiness:
        return self.ready

    def export(self, request: object) -> object:
        raise RuntimeError("the drawer is locked")


class Gone(Bare):
    """Exports, and is not there when it is asked."""

    def export(self, request: object) -> object:
        def ask(*tensors: torch.Tensor) -> None:
            raise Unavailable("the drawer fell off")

        return ask


class NotReady(Bare):
    ready = Readiness("skip", "the drawer is elsewhere", "fetch it")


class Required(Bare):
    ready = Readiness("fail", "the drawer is elsewhere", "fetch it")


class Compiles(Bare):
    ready = Readiness("compile", "compiled only")


def lab_of(model: nn.Module, backend: Backend | None = None) -> Lab:
    lab = make_plan(model, Settings(), inputs=toys.SIGNAL).load()
    return lab if backend is None else replace(lab, backend=backend)


def hindrance(lab: Lab, need: str) -> Finding | None:
    return obstacle(lab, (need,), "time") or unmet(lab, "axis", (need,), "time")


@pytest.mark.parametrize(
    ("need", "model", "backend", "said"),
    [
        (READY, toys.Sound(), NotReady(), "the drawer is elsewhere\n    hint: fetch it"),
        (READY, toys.Sound(), Required(), "see test_trace"),
        (ANSWERS, toys.Sound(), Compiles(), "compiled only"),
        (MOVES, toys.Sound(), Bare(), "an artifact of bare has fixed shapes; check the axes with torchscript"),
        (REEXPORTS, toys.Sound(), Bare(), "bare exports once; check it with torchscript"),
        (SAVES, toys.Sound(), Bare(), "bare keeps it in a drawer"),
        (TORCHSCRIPT, toys.Sound(), Bare(), "an artifact of bare is no TorchScript module"),
        (
            STEADY,
            toys.Counter(),
            None,
            "it keeps `self.calls` between calls, toys.py:163, see test_determinism",
        ),
        (ARTIFACT, toys.Sound(), Bare(), "no artifact, see test_trace"),
        (OUTPUTS, toys.OtherwiseWhenTraced(), None, "see test_outputs"),
        (OUTPUT, toys.Sound(), Gone(), "see test_outputs"),
    ],
)
def test_a_need_that_is_missing(need: str, model: nn.Module, backend: Backend | None, said: str) -> None:
    found = hindrance(lab_of(model, backend), need)
    assert found is not None
    assert found.outcome == "skipped"
    assert said in found.headline
    assert found.axis is not None
    assert (found.axis.axis, found.axis.verdict, found.axis.reason) == (
        "time",
        "untested",
        found.headline.split("\n")[0],
    )
    assert hindrance(lab_of(toys.Sound()), need) is None


def test_without_weights() -> None:
    lab = make_plan(nn.Linear(4, 4, device="meta"), Settings(), inputs={"input": TensorSpec("batch", 4)}).load()
    found = obstacle(lab, COMPARED)
    assert found is not None
    assert found.headline == "needs values; weights=meta holds none"
    assert obstacle(lab, (STEADY, ARTIFACT)) is None
    assert unmet(lab, "axis", (STEADY, ARTIFACT, OUTPUTS)) is None


def test_what_costs_nothing_is_looked_at_first() -> None:
    lab = lab_of(toys.Sound(), NotReady())
    found = obstacle(lab, (*COMPARED, MOVES))
    assert found is not None
    assert "the drawer is elsewhere" in found.headline
    assert lab.export.made is None
    assert isinstance(lab.subject.draw(lab.sizes)["x"], torch.Tensor)
    assert WEIGHTS in COMPARED


@pytest.mark.parametrize("check", ["save_load", "freeze"])
def test_copies_of_many_weights_that_do_not_fit_are_told_before_they_are_made(
    check: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_torchscript.models.weights.SPARE", 1)
    monkeypatch.setattr("pytest_torchscript.checks.needs.free_memory", lambda _limit: 64)
    found = answer(ask(toys.Sound(), check))
    assert found.outcome == "skipped"
    assert re.search(r"^would take 0\.0 GB, [12]\.\d more copies of the weights, and 0\.0 GB are free$", found.message)
    monkeypatch.setattr("pytest_torchscript.checks.needs.free_memory", lambda _limit: 1 << 30)
    assert answer(ask(toys.Sound(), check)).outcome == "passed"


def test_a_limit_that_the_user_gave_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float | None] = []
    monkeypatch.setattr("pytest_torchscript.models.weights.SPARE", 1)
    monkeypatch.setattr("pytest_torchscript.checks.needs.free_memory", asked.append)
    lab = make_plan(toys.Sound(), Settings(memory=2.5), inputs=toys.SIGNAL).load()
    assert without_room(lab, 0.0) is None
    assert without_room(lab, 1.0) is None
    assert asked == [2.5e9]
