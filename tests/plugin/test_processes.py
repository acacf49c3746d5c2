"""When a model is checked in a process of its own, and when that process starts and ends."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_torchscript.backends import Backend, Traits
from pytest_torchscript.plugin import processes
from pytest_torchscript.plugin.processes import Processes, wants_isolation
from pytest_torchscript.results import Outline
from pytest_torchscript.settings import Settings


class Fragile(Backend):
    name = "fragile"
    traits = Traits(isolate=True)


def config(timeout: Any = None) -> Any:
    plugins = SimpleNamespace(hasplugin=lambda name: timeout is not None)
    hook = SimpleNamespace(pytest_torchscript_inputs=SimpleNamespace(get_hookimpls=list))
    return SimpleNamespace(
        pluginmanager=plugins,
        getoption=lambda name, default: timeout,
        getini=lambda name: None,
        add_cleanup=lambda call: None,
        hook=hook,
    )


@pytest.mark.parametrize(
    ("settings", "timeout", "wanted"),
    [
        ({}, None, False),
        ({"isolate": "on"}, None, True),
        ({"timeout": 5.0}, None, True),
        ({"memory": 2.0}, None, True),
        ({}, "30", True),
        ({}, "0", False),
        ({}, "soon", False),
        ({"isolate": "off"}, "30", False),
        ({"backends": ("fragile",), "own_backends": (Fragile,)}, None, True),
    ],
)
def test_a_limit_or_a_backend_asks_for_a_process(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], timeout: Any, wanted: bool
) -> None:
    monkeypatch.delenv("PYTEST_TIMEOUT", raising=False)
    assert wants_isolation(config(timeout), Settings(**settings)) is wanted


class Started:
    def __init__(self) -> None:
        self.alive = True

    def close(self) -> None:
        self.alive = False


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Processes:
    monkeypatch.setattr(processes, "start", lambda settings: Started())
    monkeypatch.setattr(processes.IsolatedModel, "outline", lambda model, process: Outline(class_name=model.label))
    return Processes(config(), keep_one=True, offline=False)


def test_one_model_keeps_the_process_that_planned_it(made: Processes) -> None:
    model = made.model("a", "a", "p:a", Settings())
    assert made.model("a", "a", "p:a", Settings()) is model
    assert made.outline(model).class_name == "a"
    planner = made.planner
    assert made.begin(model).process is planner
    made.close()
    assert not planner.alive


def test_several_are_planned_by_one_and_checked_one_at_a_time(made: Processes) -> None:
    one, two = (made.model(name, name, f"p:{name}", Settings()) for name in "ab")
    made.outline(one)
    planner = made.planner
    made.outline(two)
    assert made.planner is planner
    made.begin(one)
    assert not planner.alive
    one.process = first = Started()
    made.begin(two)
    assert not first.alive
    two.process = second = Started()
    made.release("b")
    assert not second.alive


def test_a_planner_that_died_is_replaced(made: Processes) -> None:
    model = made.model("a", "a", "p:a", Settings())
    made.outline(model)
    made.planner.alive = False
    dead = made.planner
    made.outline(model)
    assert made.planner is not dead
