from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from pytest_torchscript.backends.neuron.checks import check_neuron
from pytest_torchscript.backends.neuron.common import neuron_backend
from pytest_torchscript.lab.plan import make_plan
from pytest_torchscript.settings import Settings
from pytest_torchscript.spec import TensorSpec

FOLDERS = {"neuron": "inf1", "neuronx": "inf2"}


INPUTS = {"signal": TensorSpec("batch", "time", 6)}


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 32), nn.GELU(), nn.LayerNorm(32), nn.Linear(32, 8))

    def forward(self, signal):
        hidden = self.layers(signal)
        return {"hidden": hidden, "pooled": hidden.mean(1)}


@pytest.fixture(params=["neuron", "neuronx"])
def name(request):
    return request.param


def case_of(name, mode="auto", module=None, **settings):
    torch.manual_seed(0)
    chosen = Settings(neuron=mode, backends=(name,), **settings)
    lab = make_plan(module or Encoder().eval(), chosen, inputs=INPUTS).load("torchscript")
    return replace(lab, backend=neuron_backend(chosen))


def test_dynamic_batching_is_asked_for_each_row(neuron_machine, name):
    neuron_machine(FOLDERS[name])
    finding = check_neuron(case_of(name, neuron_options={"dynamic_batch": True}))
    assert finding.outcome == "passed", finding
    assert "rows answer as each row alone" in finding.headline


def test_dynamic_batching_that_mixes_rows_fails(neuron_machine):
    class Mixing(Encoder):
        def forward(self, signal):
            return self.layers(signal - signal.mean(0, keepdim=True))

    neuron_machine(device=False)
    finding = check_neuron(case_of("neuron", "emulate", Mixing().eval(), neuron_options={"dynamic_batch": True}))
    assert finding.outcome == "failed"
    assert "differs from the row alone by" in finding.headline


def test_dynamic_batching_with_a_frozen_size_fails(neuron_machine):
    class Frozen(Encoder):
        def forward(self, signal):
            rows = int(signal.shape[0])
            return self.layers(signal.reshape(rows, -1, 6))

    neuron_machine(device=False)
    finding = check_neuron(case_of("neuron", "emulate", Frozen().eval(), neuron_options={"dynamic_batch": True}))
    assert finding.outcome == "failed"
    assert "dynamic batching: 1 rows raise" in finding.headline
