"""The marker, the fixtures that give a test the pieces, and the engine without either."""

from __future__ import annotations

import pytest
import torch
from encoders import CHANNELS, SIGNAL, FixedWindowEncoder, SignalEncoder, small_bert

from pytest_torchscript import Axis, TensorSpec, TorchScriptFailure, check


@pytest.mark.torchscript(inputs={"signal": TensorSpec("batch", Axis("time", max=100), CHANNELS)})
def test_every_check_in_one_call(torchscript):
    result = torchscript.check(SignalEncoder(features=4).eval())
    assert result.passed


@pytest.mark.torchscript(inputs=SIGNAL)
def test_a_frozen_length_is_found(torchscript):
    with pytest.raises(TorchScriptFailure, match="axis 'time' diverges"):
        torchscript.check(FixedWindowEncoder().eval())


def test_one_declared_length_is_fine():
    result = check(
        FixedWindowEncoder().eval(), inputs=SIGNAL, axes={"time": 24}, checks=("outputs", "axis", "save_load")
    )
    assert result.passed
    assert {axis.axis: axis.verdict for axis in result.exports[0].axes} == {"batch": "dynamic", "time": "untested"}


@pytest.mark.torchscript(model=small_bert)
def test_the_pieces(torchscript_traced, torchscript_eager, torchscript_inputs):
    expected = torchscript_eager(**torchscript_inputs)
    hidden = torchscript_traced(**torchscript_inputs)[0]
    torch.testing.assert_close(hidden, expected.last_hidden_state)


def test_the_overridden_model(torchscript_traced, torchscript_inputs):
    longer = torch.cat([torchscript_inputs["signal"]] * 2, dim=1)
    assert torchscript_traced(longer)[0].shape == (len(longer), 8)
