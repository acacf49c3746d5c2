"""Backends by name: ours, those that a repository brings, and what is said where there is none of that name."""

from __future__ import annotations

import sys

import pytest

from pytest_torchscript.backends import Backend, registry
from pytest_torchscript.errors import OptionError
from pytest_torchscript.settings import Settings


class Mine(Backend):
    name = "mine"


class Impostor(Backend):
    name = "torchscript"


class Nameless(Backend):
    name = "two words"


def test_each_name_finds_the_backend_that_bears_it() -> None:
    assert registry.backend_names()[0] == registry.DEFAULT
    assert [registry.backend_class(name).name for name in registry.backend_names()] == list(registry.backend_names())
    assert registry.backend_names([Mine])[-1] == "mine"
    assert registry.make_backend("mine", Settings(own_backends=(Mine,))).name == "mine"


def test_a_name_that_is_none_lists_those_that_are() -> None:
    with pytest.raises(OptionError, match="backend 'torchscrip' does not exist\n    hint: did you mean 'torchscript'"):
        registry.backend_class("torchscrip")
    with pytest.raises(OptionError, match="mine"):
        registry.backend_class("nobody", [Mine])


def test_options_are_checked_before_anything_is_built() -> None:
    registry.check_options(Settings(backends=("mine",), own_backends=(Mine,)))
    with pytest.raises(OptionError, match="backend 'mine' does not exist"):
        registry.check_options(Settings(backends=("mine",)))
    with pytest.raises(OptionError, match="mine option 'url' does not exist"):
        registry.check_options(Settings(options={"mine": {"url": "x"}}, own_backends=(Mine,)))
    with pytest.raises(OptionError, match="did you mean 'timeout'"):
        registry.check_options(Settings(neuron_options={"time_out": 3}))


def test_what_a_repository_brings_is_gathered() -> None:
    assert registry.own_backends([[Mine], None or (), Mine]) == (Mine,)


@pytest.mark.parametrize(
    ("brought", "said"),
    [
        (dict, "<class 'dict'> is no class of backends"),
        (Mine(), "is no class of backends"),
        (Nameless, "Nameless has the name 'two words'"),
        (Impostor, "there is another backend 'torchscript' than Impostor"),
    ],
)
def test_what_is_no_backend_is_refused(brought: object, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        registry.own_backends([[brought]])


def test_the_marked_device_loads_nothing_of_its_library() -> None:
    assert registry.marked_device().__name__ == "NeuronDevice"
    assert not {"torch_neuron", "torch_neuronx"} & set(sys.modules)
