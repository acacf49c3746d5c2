from __future__ import annotations

import pytest

from pytest_torchscript.backends.neuron.detect import find_neuron
from pytest_torchscript.backends.neuron.plan import neuron_plan
from pytest_torchscript.errors import OptionError


@pytest.mark.parametrize(
    ("mode", "device", "action"),
    [
        ("auto", True, "run"),
        ("auto", False, "skip"),
        ("require", True, "run"),
        ("require", False, "fail"),
        ("compile", False, "compile"),
        ("compile", True, "compile"),
        ("emulate", False, "stand-in"),
        ("emulate", True, "stand-in"),
        ("off", True, "skip"),
    ],
)
def test_modes(neuron_machine, mode, device, action):
    neuron_machine("inf1", device=device)
    plan = neuron_plan(mode, find_neuron())
    assert plan.action == action
    assert plan.reason
    assert plan.answers is (action in ("run", "stand-in"))


def test_mode_texts(neuron_machine):
    neuron_machine("inf1", device=False)
    status = find_neuron()
    assert "nothing was run or compared" in neuron_plan("compile", status).reason
    assert "emulated" in neuron_plan("emulate", status).reason
    assert "--torchscript-neuron require" in neuron_plan("require", status).reason
    assert "--torchscript-neuron compile" in neuron_plan("auto", status).hint
    with pytest.raises(OptionError, match="did you mean 'require'"):
        neuron_plan("requir", status)
