"""A small model on a stand-in of either Neuron backend."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

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


def case_of(name, mode="auto", module=None, **settings):
    torch.manual_seed(0)
    chosen = Settings(neuron=mode, backends=(name,), **settings)
    lab = make_plan(module or Encoder().eval(), chosen, inputs=INPUTS).load("torchscript")
    return replace(lab, backend=neuron_backend(chosen))
