from __future__ import annotations

import dataclasses
import pickle

import pytest

from pytest_torchscript.settings import NEURON_MODES, TASKS, WEIGHTS, Settings
from pytest_torchscript.spec import Axis


def test_the_defaults_are_the_first_choices_of_the_command_line() -> None:
    settings = Settings()
    assert settings.weights == WEIGHTS[0] == "auto"
    assert settings.backends == ("torchscript",)
    assert settings.neuron == NEURON_MODES[0] == "auto"
    assert settings.task is None
    assert (settings.rtol, settings.atol, settings.max_examples) == (None, None, None)
    assert not settings.trust_remote_code
    assert not settings.offline


@pytest.mark.parametrize("choices", [WEIGHTS, NEURON_MODES, TASKS])
def test_choices_are_named_once(choices: tuple[str, ...]) -> None:
    assert len(set(choices)) == len(choices)


def test_settings_are_a_value_that_travels_to_a_worker() -> None:
    settings = Settings(axes={"sequence": Axis("sequence", max=9)}, anchor={"batch": 1}, backends=("neuron",))
    assert pickle.loads(pickle.dumps(settings)) == settings
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.weights = "tiny"
