"""What the tests of the Neuron backends share: a small export, and what the stand-in libraries were asked."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from pytest_torchscript.backends.base import ExportRequest


@pytest.fixture
def request_():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 4)).eval()
    return ExportRequest(module, (torch.randn(3, 6),), ("signal",), {"signal": ("batch", 6)})


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    path = tmp_path / "record.jsonl"
    monkeypatch.setenv("NEURON_STANDIN_RECORD", str(path))
    return lambda: [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(params=["neuron", "neuronx"])
def name(request):
    return request.param
