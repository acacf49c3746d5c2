"""What the process of a model answers, asked in this one; tests/unit/isolation starts real ones."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_torchscript.backends import Backend
from pytest_torchscript.checks.apart import Answers
from pytest_torchscript.isolation.wire import Brought
from pytest_torchscript.settings import Settings
from tests import toys


def sound() -> Any:
    return toys.Sound().eval(), toys.SIGNAL


def broken() -> Any:
    raise ZeroDivisionError("never built")


def counted() -> Any:
    CALLS.append(1)
    return toys.FrozenMean().eval(), toys.SIGNAL


CALLS: list[int] = []


def request(do: str, factory: str = "sound", **more: Any) -> dict[str, Any]:
    reference = f"{__name__}:{factory}"
    common = {
        "reference": reference,
        "label": reference,
        "settings": Settings(),
        "backends": (),
        "hooks": (),
        "offline": True,
    }
    return {"do": do, **common, **more}


def test_a_plan_is_an_outline() -> None:
    answer = Answers(lambda message: None)(request("plan"))
    assert answer["outline"]["ranges"] == {"batch": [1, 6], "time": [1, 40]}
    assert "Sound" in answer["outline"].values()
    assert "own" in answer["outline"].values()


def test_a_check_is_a_piece_of_the_report_and_tells_what_it_does() -> None:
    said: list[Any] = []
    asked = Answers(said.append)
    assert asked(request("load", backend="torchscript")) == {}
    made = request("check", backend="torchscript", check="outputs", axis=None, selected=None)
    (export,) = asked(made)["piece"]["exports"]
    assert [(check["name"], check["outcome"]) for check in export["checks"]] == [("outputs", "passed")]
    assert {"doing": "eager ran at batch=2 time=11"} in said


def test_the_same_model_is_built_once() -> None:
    CALLS.clear()
    asked = Answers(lambda message: None)
    for axis in ("batch", "time"):
        made = request("check", "counted", backend="torchscript", check="axis", axis=axis, selected=None)
        outcome = asked(made)["piece"]["exports"][0]["checks"][0]["outcome"]
        assert outcome == {"batch": "passed", "time": "failed"}[axis]
    assert CALLS == [1]


@pytest.mark.parametrize("do", ["plan", "load"])
def test_an_error_is_an_answer(do: str) -> None:
    answer = Answers(lambda message: None)(request(do, "broken", backend="torchscript"))
    assert answer["error"]["kind"] == "ModelError"
    assert "never built" in str(answer["error"])


def test_classes_of_the_user_are_brought_by_their_place() -> None:
    brought = Brought(Backend.__module__, "Backend", "")
    asked = Answers(lambda message: None)
    asked(request("plan", backends=(brought,)))
    (held,) = asked.held.values()
    assert held.settings.own_backends == (Backend,)
