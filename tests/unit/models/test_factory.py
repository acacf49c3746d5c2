from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from pytest_torchscript.errors import ModelError
from pytest_torchscript.models.factory import call_factory

SOURCE = """
import random
import numpy
import torch
from torch import nn

class Own(nn.Module):
    def __init__(self, size=3):
        super().__init__()
        self.layer = nn.Linear(size, 2)

    @classmethod
    def make(cls):
        return cls(5)

def model():
    return Own()

def drawn():
    model = Own()
    model.drawn = (random.random(), float(numpy.random.rand()))
    return model

def pair():
    return Own(), {"x": torch.zeros(2, 3)}

def raises():
    raise RuntimeError("no luck\\nmore")

def leaves():
    raise SystemExit(3)

def number():
    return 3

def nothing():
    pass

def class_not_instance():
    return Own

def three():
    return Own(), {}, 1

def function():
    return lambda x: x * 2

def wants_more(argument):
    return Own(argument)

instance = Own()
text = "no function"
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    Path("own_models.py").write_text(SOURCE)
    Path("cannot_import.py").write_text("import a_module_that_is_not_there\n")
    Path("raises_at_import.py").write_text("1 / 0\n")
    Path("no_python.py").write_text("def broken(:\n")
    Path("exits.py").write_text("raise SystemExit('bye')\n")
    yield "own_models"
    for name in ("own_models", "cannot_import", "raises_at_import", "no_python", "exits"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["model", "Own", "Own.make", "instance", "drawn"])
def test_what_a_factory_may_be(name: str) -> None:
    module, inputs = call_factory(f"own_models:{name}")
    assert isinstance(module, torch.nn.Module)
    assert inputs is None


def test_inputs_come_with_the_module() -> None:
    _, inputs = call_factory("own_models:pair")
    assert inputs is not None
    assert inputs["x"].shape == (2, 3)


def test_every_process_builds_equal_weights_and_leaves_the_generators_alone() -> None:
    states = torch.get_rng_state(), random.getstate()
    first, _ = call_factory("own_models:drawn", seed=1)
    second, _ = call_factory("own_models:drawn", seed=1)
    assert torch.equal(first.layer.weight, second.layer.weight)  # type: ignore[arg-type, union-attr]
    assert first.drawn == second.drawn
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == random.getstate()


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("own_models:modle", "module 'own_models' has no 'modle'"),
        ("own_models:Own.nothing_there", "module 'own_models' has no 'Own.nothing_there'"),
        ("own_models:text", "text is of type str, not a function"),
        ("own_models:raises", "the factory raised RuntimeError: no luck"),
        ("own_models:leaves", "the factory raised SystemExit: 3"),
        ("own_models:wants_more", "the factory raised TypeError: wants_more() missing 1 required positional argument"),
        ("own_models:number", "the factory returned a int, which is no model"),
        ("own_models:function", "the factory returned a function without inputs"),
        ("own_models:nothing", "the factory returned None, which is no model"),
        ("own_models:class_not_instance", "the factory returned the class Own, which is no model"),
        ("own_models:three", "the factory returned a tuple of (Own, dict, int), which is no model"),
        ("not_there:model", "no module named 'not_there'"),
        ("not_there.below:model", "no module named 'not_there'"),
        ("own_models.below:model", "no module named 'own_models.below'"),
        ("cannot_import:model", "importing cannot_import raised ModuleNotFoundError"),
        ("raises_at_import:model", "importing raises_at_import raised ZeroDivisionError"),
        ("no_python:model", "importing no_python raised SyntaxError"),
        ("exits:model", "importing exits raised SystemExit: bye"),
    ],
)
def test_bad_factories(reference: str, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        call_factory(reference)
    assert message in caught.value.message
    assert caught.value.message.startswith(f"{reference}: ")
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_the_line_that_raised_is_named() -> None:
    with pytest.raises(ModelError) as caught:
        call_factory("own_models:raises")
    assert "own_models.py:28 in raises" in caught.value.evidence[0]
    with pytest.raises(ModelError) as caught:
        call_factory("no_python:model")
    assert caught.value.evidence[0].endswith("no_python.py:1")


def test_the_close_name_is_named() -> None:
    with pytest.raises(ModelError) as caught:
        call_factory("own_models:modle")
    assert caught.value.hint == "did you mean 'model'?"


def test_a_function_that_takes_arguments_is_told_how_to_be_the_model() -> None:
    with pytest.raises(ModelError) as caught:
        call_factory("own_models:wants_more")
    assert "return wants_more, {" in caught.value.hint


def test_called_with_arguments() -> None:
    module, _ = call_factory("own_models:wants_more", arguments=(7,))
    assert module.layer.in_features == 7  # type: ignore[union-attr]
    module, _ = call_factory("own_models:Own", keywords={"size": 6})
    assert module.layer.in_features == 6  # type: ignore[union-attr]


def test_wrong_arguments_are_told_with_the_call() -> None:
    with pytest.raises(ModelError) as caught:
        call_factory("own_models:Own", arguments=(1, "a"), keywords={"b": True})
    assert "the factory raised TypeError" in caught.value.message
    assert "own_models.Own(1, " in caught.value.hint
    assert "b=True" in caught.value.hint


def test_a_module_is_not_called() -> None:
    with pytest.raises(ModelError, match="instance is of type Own, not a function or a class") as caught:
        call_factory("own_models:instance", arguments=(1,))
    assert caught.value.hint == "name it without arguments: own_models:instance"


def test_a_class_that_takes_arguments_is_told_how_to_give_them() -> None:
    with pytest.raises(ModelError) as caught:
        call_factory("torch.nn:Linear")
    assert "torch.nn:Linear(…)" in caught.value.hint
