"""What is asked of a model's process, and what its end means for the checks that follow."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_torchscript.errors import InputError
from pytest_torchscript.isolation.model import IsolatedModel, TimeLimit
from pytest_torchscript.isolation.process import ProcessEnded
from pytest_torchscript.isolation.wire import plain_error
from pytest_torchscript.results import CheckResult, ExportResult, ModelResult, Outline, to_plain
from pytest_torchscript.settings import Settings

OUTLINE = Outline({"time": (1, 40)}, ("x",), "default", "Sound", "own")
PIECE = ModelResult("m", exports=[ExportResult("torchscript", checks=[CheckResult("outputs", "passed")])])
ANSWERS = {"plan": {"outline": to_plain(OUTLINE)}, "load": {}, "check": {"piece": to_plain(PIECE)}}


class Scripted:
    """A process that answers as it is told."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {**ANSWERS, **answers}
        self.asked: list[dict[str, Any]] = []
        self.limits: list[tuple[float | None, str]] = []
        self.alive = True

    def ask(self, request: dict[str, Any], *, seconds: float | None, whose: str, doing: str) -> Any:
        self.asked.append(request)
        self.limits.append((seconds, whose))
        answer = self.answers[request["do"]]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.alive = False


def crash() -> ProcessEnded:
    return ProcessEnded(
        "its process was ended by SIGSEGV", "eager ran at time=9", hint="look there", evidence=["at m.py:3"]
    )


def model_of(process: Scripted, **settings: Any) -> IsolatedModel:
    made = IsolatedModel("m", "package:factory", Settings(**settings), process=process)
    made.outline(process)
    return made


def test_it_is_planned_and_built_once() -> None:
    process = Scripted()
    model = model_of(process)
    assert model.outline(process).class_name == "Sound"
    model.load("torchscript")
    model.load("torchscript")
    assert [request["do"] for request in process.asked] == ["plan", "load"]


def test_an_answered_check_is_its_piece_of_the_report() -> None:
    process = Scripted()
    model = model_of(process)
    assert model.check("torchscript", "outputs", None, selected=frozenset({"outputs"})) == PIECE
    assert (process.asked[-1]["check"], process.asked[-1]["axis"]) == ("outputs", None)


def test_a_plan_that_failed_is_not_asked_for_again() -> None:
    process = Scripted(plan={"error": plain_error(InputError("no inputs", hint="declare them"))})
    model = IsolatedModel("m", "package:factory", Settings(), process=process)
    for _ in range(2):
        with pytest.raises(InputError, match="no inputs"):
            model.outline(process)
    assert len(process.asked) == 1


def test_the_check_that_ended_the_process_is_an_error_and_the_rest_is_skipped() -> None:
    model = model_of(Scripted(check=crash()))
    (ended,) = model.check("torchscript", "axis", "time").exports
    assert ended.checks[0].outcome == "error"
    message = ended.checks[0].message
    assert message.startswith(
        "torchscript::m: its process was ended by SIGSEGV in test_axis[time], while eager ran at time=9"
    )
    assert "at m.py:3" in message
    assert "hint: look there" in message
    assert [(axis.axis, axis.max, axis.verdict) for axis in ended.axes] == [("time", 40, "untested")]
    (after,) = model.check("torchscript", "values", None).exports
    assert (after.checks[0].outcome, after.checks[0].message) == (
        "skipped",
        "not asked: its process was ended by SIGSEGV in test_axis[time], while eager ran at time=9",
    )
    model.load("torchscript")  # each check says so


def test_a_process_that_ends_while_building_fails_for_every_backend() -> None:
    process = Scripted(load=crash())
    model = model_of(process, backends=("torchscript", "onnx"))
    for backend in model.settings.backends:
        with pytest.raises(ProcessEnded):
            model.load(backend)
    assert [request["do"] for request in process.asked] == ["plan", "load"]


@pytest.mark.parametrize(
    ("own", "given", "limit"),
    [
        (None, None, (None, "")),
        (5.0, None, (5.0, "--torchscript-timeout")),
        (5.0, TimeLimit(3.0, "pytest-timeout"), (3.0, "pytest-timeout")),
        (2.0, TimeLimit(3.0, "pytest-timeout"), (2.0, "--torchscript-timeout")),
    ],
)
def test_the_shorter_limit_counts(own: float | None, given: TimeLimit | None, limit: tuple[float | None, str]) -> None:
    process = Scripted()
    model_of(process, timeout=own).check("torchscript", "outputs", None, limit=given)
    assert process.limits[-1] == limit


def test_after_it_was_closed_it_is_built_again() -> None:
    process = Scripted()
    model = model_of(process)
    model.load("torchscript")
    model.close()
    assert not process.alive
    model.process = Scripted()
    model.load("torchscript")
    assert [request["do"] for request in model.process.asked] == ["load"]
