from __future__ import annotations

import pytest

from pytest_torchscript.backends.neuron.generations import GENERATIONS
from pytest_torchscript.backends.registry import backend_class


@pytest.mark.parametrize("name", GENERATIONS)
def test_a_generation_is_what_its_backend_says(name):
    generation = GENERATIONS[name]
    assert generation.name == name
    assert backend_class(name).generation is generation
    assert generation.package == generation.library.replace("_", "-")


@pytest.mark.parametrize("generation", GENERATIONS.values(), ids=list(GENERATIONS))
def test_what_is_tried_for_precision_replaces_what_is_passed(generation):
    assert {rung.split()[0] for rung in generation.ladder} <= generation.instead
    assert generation.arguments[0] in generation.instead
