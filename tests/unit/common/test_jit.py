"""The one call of the tracer."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from pytest_torchscript.common import jit
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.tracing.frames import model_stack
from pytest_torchscript.tracing.graph import read_graph


class Writes(nn.Module):
    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"x": x.mul_(2)}


def test_the_example_stays_as_it_was_and_nothing_asks_for_gradients() -> None:
    x = torch.ones(2, requires_grad=True)
    with quiet():
        traced = jit.trace(nn.Linear(2, 2), (x,))
        jit.trace(Writes(), (y := torch.ones(2),))
    assert x.grad_fn is None
    assert torch.equal(y, torch.ones(2))
    assert traced(x).shape == (2,)


def test_a_function_is_traced_too() -> None:
    def double(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    with quiet():
        assert torch.equal(jit.trace(double, (torch.ones(2),))(torch.ones(3)), torch.full((3,), 2.0))


def test_torch_can_be_asked_strictly() -> None:
    with quiet(), pytest.raises(RuntimeError, match="dict"):
        jit.trace(Writes(), (torch.ones(2),), strict=True)


PROGRAM = """
import torch
from pytest_torchscript.common import jit
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.tracing.graph import read_graph

@torch.jit.script
def doubled(x: torch.Tensor) -> torch.Tensor:
    return x * 2

class Net(torch.nn.Module):
    def forward(self, x):
        return doubled(x) + 1

with quiet():
    traced, scripted = jit.trace(Net(), (torch.ones(2),)), torch.jit.script(torch.nn.ReLU())
    assert not jit.forget_code()
    assert traced(torch.ones(2)).tolist() == [3, 3]
    del traced
    assert not jit.forget_code()
    assert scripted(-torch.ones(1)).item() == 0
    del scripted
    assert jit.forget_code()
    assert doubled(torch.ones(2)).tolist() == [2, 2]
    assert jit.trace(Net(), (torch.ones(2),))(torch.ones(2)).tolist() == [3, 3]
    assert torch.jit.script(torch.nn.ReLU())(-torch.ones(1)).item() == 0
"""


def test_the_code_of_modules_that_are_gone_is_dropped_and_that_of_others_stays(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "ignore", str(program)]
    told = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert told.returncode == 0, told.stderr


def test_where_torch_has_no_such_register_nothing_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("torch._C._jit_clear_class_registry")
    assert not jit.forget_code()


class Layers(nn.Module):
    """Loops over parts of one class, ties two weights and has a buffer that is not saved."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 3) for _ in range(2)])
        self.layers[1].weight = self.layers[0].weight
        self.register_buffer("scale", torch.full((3,), 2.0), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x) * self.scale
        return x / x.shape[1]


def operations(graph: object, weights: dict[str, torch.Tensor]) -> list[object]:
    recording = read_graph(graph, weights)
    live = [each for each in recording.operations if each.live]
    return [(each.kind, each.scope, model_stack(each.stack), each.arguments) for each in live]


def test_what_is_recorded_is_what_a_trace_holds() -> None:
    module, x = Layers(), torch.rand(2, 3)
    with quiet():
        traced = jit.trace(module, (x,))
        graph, weights = jit.record(module, (x,))
    assert operations(graph, weights) == operations(traced.inlined_graph, {})
    assert set(weights) == {"layers.0.weight", "layers.0.bias", "layers.1.bias", "scale"}
    assert weights["layers.0.weight"] is module.layers[0].weight
    assert importlib.import_module("torch.jit._trace")._trace_module_map is None


def test_a_scripted_part_is_traced_and_not_recorded() -> None:
    with quiet():
        module = nn.Sequential(torch.jit.script(nn.Linear(2, 2)))
        assert jit.trace(module, (torch.ones(1, 2),))(torch.ones(3, 2)).shape == (3, 2)
        with pytest.raises(RuntimeError):
            jit.record(module, (torch.ones(1, 2),))


def test_what_was_recorded_answers_as_the_trace_does() -> None:
    module, x = Layers(), torch.rand(5, 3)
    with quiet():
        traced = jit.trace(module, (torch.ones(2, 3),))
        graph, weights = jit.record(module, (torch.ones(2, 3),))
    recorded, nodes = jit.function_of(graph, weights.values()), str(graph)
    assert torch.equal(traced(x), recorded(x))
    with torch.no_grad(), jit.unoptimised():
        assert torch.equal(traced(x), recorded(x))
        module.scale.mul_(2)  # its weights are the module's own
        assert torch.equal(module(x[:2]), recorded(x[:2]))
    assert str(graph) == nodes


class Hooked(Layers):
    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return super().__call__(x) + 1


def test_hooks_and_what_a_class_does_when_called_are_recorded() -> None:
    doubled = Layers()
    doubled.register_forward_hook(lambda _module, _inputs, output: output * 2)
    x = torch.rand(2, 3)
    for module in (doubled, Hooked()):
        with quiet():
            graph, weights = jit.record(module, (x,))
        assert torch.equal(jit.function_of(graph, weights.values())(x), module(x))
