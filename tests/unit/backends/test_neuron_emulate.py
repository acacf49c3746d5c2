"""The stand-in of a compiled artifact: its own shapes alone, and always called emulated."""

from __future__ import annotations

import pytest
import torch

from pytest_torchscript.backends.neuron.emulate import emulate, load_emulated
from pytest_torchscript.errors import InputError


def test_it_answers_as_the_module_and_says_what_it_is(request_):
    artifact = emulate(request_, backend="neuron")
    assert torch.equal(artifact(*request_.example), request_.module(*request_.example))
    assert artifact.details["emulated"] is True
    assert "says nothing about a Neuron device" in artifact.details["note"]


def test_other_sizes_are_refused_by_axis_unless_the_batch_is_free(request_):
    with pytest.raises(InputError, match="input 'signal': axis 'batch' is 5"):
        emulate(request_, backend="neuron")(torch.zeros(5, 6))
    assert emulate(request_, backend="neuron", dynamic_batch=True)(torch.zeros(5, 6)).shape == (5, 4)


def test_what_was_saved_keeps_its_shapes(request_, tmp_path):
    emulate(request_, backend="neuronx").save(tmp_path / "artifact.pt")
    loaded = load_emulated(tmp_path / "artifact.pt", request_, backend="neuronx")
    assert torch.equal(loaded(*request_.example), request_.module(*request_.example))
    with pytest.raises(InputError, match="axis 'batch'"):
        loaded(torch.zeros(1, 6))
