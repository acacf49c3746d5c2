"""Modules that Python's copier refuses, or that hold weights in forms of their own, go through the checks as others do."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Callable

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from pytest_torchscript import Axis, TensorSpec, check

#: torch.ao.quantization and the norms by hooks are deprecated, and used.
pytestmark = pytest.mark.filterwarnings("ignore")

ROWS = {"input": TensorSpec(Axis("batch", max=5), 4)}
STEPS = {"input": TensorSpec(Axis("time", max=9), Axis("batch", max=5), 4)}


def called(layer: nn.Module) -> nn.Module:
    module = nn.Sequential(layer)
    module(torch.ones(2, 4))  # with gradients, as in a training script
    return module.eval()


def quantized(layer: nn.Module) -> nn.Module:
    made: nn.Module = torch.ao.quantization.quantize_dynamic(
        nn.Sequential(layer).eval(), {type(layer)}, dtype=torch.qint8
    )
    return made


def statically_quantized() -> nn.Module:
    tools = torch.ao.quantization
    module: Any = nn.Sequential(tools.QuantStub(), nn.Linear(4, 4), tools.DeQuantStub()).eval()
    module.qconfig = tools.get_default_qconfig("fbgemm")
    prepared = tools.prepare(module)
    prepared(torch.randn(64, 4))
    return tools.convert(prepared)


class Locked(nn.Module):
    """Holds a lock, a generator and a file."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.scale = scale
        self.held = {"lock": threading.Lock(), "names": (str(n) for n in range(3)), "other": [nn.Linear(4, 4)]}

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - as nn.Sequential calls its own
        with self.held["lock"]:
            return self.linear(input) * (self.scale or float(input.shape[0]))


KINDS: dict[str, tuple[Callable[[], nn.Module], Mapping[str, TensorSpec]]] = {
    "a weight norm by hooks": (lambda: called(nn.utils.weight_norm(nn.Linear(4, 4))), ROWS),
    "a spectral norm by hooks": (lambda: called(nn.utils.spectral_norm(nn.Linear(4, 4))), ROWS),
    "a parametrization": (lambda: called(parametrizations.spectral_norm(nn.Linear(4, 4))), ROWS),
    "an eight-bit layer": (lambda: quantized(nn.Linear(4, 4)), ROWS),
    "an eight-bit LSTM": (lambda: quantized(nn.LSTM(4, 4)), STEPS),
    "a statically quantized layer": (statically_quantized, ROWS),
    "a scripted module": (lambda: torch.jit.script(nn.Sequential(nn.Linear(4, 4)).eval()), ROWS),
    "a lock": (lambda: Locked().eval(), ROWS),
    "a lock, in training mode": (Locked, ROWS),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_one_passes(kind: str) -> None:
    make, inputs = KINDS[kind]
    found = check(make(), inputs=inputs, name=kind, checks=("trace", "determinism", "outputs", "axis", "values"))
    assert [check.message for check in found.failures] == []


@pytest.mark.parametrize("kind", ["an eight-bit layer", "an eight-bit LSTM"])
def test_a_quantized_one_is_saved_and_its_size_explained(kind: str) -> None:
    make, inputs = KINDS[kind]
    (saved,) = check(make(), inputs=inputs, name=kind, checks=("save_load",)).checks
    assert (saved.outcome, "weights and buffers of eager" in saved.message) == ("passed", True)
    assert ("packed ones that cannot be measured" in saved.message) == ("LSTM" in kind)


def test_an_unsound_one_fails() -> None:
    found = check(Locked(scale=0.0).eval(), inputs=ROWS, name="locked", checks=("axis",))
    assert "at " in found.failures[0].message
    assert found.axis("batch").verdict == "diverges"
    assert found.axis("batch").causes[0].source.startswith("return self.linear")
