"""One test for every backend: what the suite relies on, whatever made the artifact."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_torchscript.backends.base import Backend, ExportRequest
from pytest_torchscript.backends.registry import backend_for
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import InputError
from pytest_torchscript.outputs import tensor_leaves

#: backend, its options, folders of stand-ins, and how far its answers may be from eager's.
MACHINES = {
    "torchscript": ("torchscript", {}, (), 1e-6),
    "torch_export": ("torch_export", {}, (), 1e-6),
    "aot_inductor": ("aot_inductor", {}, (), 1e-5),
    "onnx": ("onnx", {"exporter": "torchscript"}, (), 1e-5),
    "neuron": ("neuron", {"mode": "auto"}, ("inf1",), 0.1),
    "neuron-required": ("neuron", {"mode": "require"}, ("inf1",), 0.1),
    "neuron-emulated": ("neuron", {"mode": "emulate"}, (), 1e-6),
    "neuronx": ("neuronx", {"mode": "auto"}, ("inf2",), 0.1),
    "neuronx-emulated": ("neuronx", {"mode": "emulate"}, (), 1e-6),
}


class Classifier(nn.Module):
    """Two inputs, two outputs, an integer one among each."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(40, 8)
        self.head = nn.Linear(8, 5)

    def forward(self, ids, weight):
        hidden = self.head(torch.tanh(self.embedding(ids) * weight.unsqueeze(-1)))
        return hidden, hidden.sum(-1).argmax(-1)


@pytest.fixture(params=sorted(MACHINES))
def machine(request, neuron_machine, tmp_path_factory):
    name, options, folders, tolerance = MACHINES[request.param]
    if name == "aot_inductor":  # it compiles for ten seconds
        options = {"cache": tmp_path_factory.getbasetemp() / "packages"}
    neuron_machine(*folders, device=bool(folders))
    backend = backend_for(name, **options)
    if backend.readiness().action == "skip":
        pytest.skip(backend.readiness().reason)
    for package in ("onnx", "onnxruntime") if name == "onnx" else ():
        pytest.importorskip(package)
    return backend, tolerance


@pytest.fixture
def export():
    torch.manual_seed(0)
    module = Classifier().eval()
    example = (torch.randint(0, 40, (2, 7)), torch.rand(2, 7))
    dims = {"ids": ("batch", "sequence"), "weight": ("batch", "sequence")}
    return ExportRequest(module, example, ("ids", "weight"), dims)


def fresh(export, seed=1):
    generator = torch.Generator().manual_seed(seed)
    ids, weight = export.example
    return torch.randint(0, 40, ids.shape, generator=generator), torch.rand(weight.shape, generator=generator)


def answers(artifact, tensors):
    return [leaf for _, leaf in tensor_leaves(artifact(*tensors))]


def test_is_available_and_named(machine):
    backend, _ = machine
    assert backend.readiness().action in ("run", "stand-in")
    assert backend.name in MACHINES
    assert isinstance(backend, Backend)


def test_answers_as_eager(machine, export):
    backend, tolerance = machine
    artifact = backend.export(export)
    for seed in range(3):
        tensors = fresh(export, seed)
        expected = export.module(*tensors)
        actual = answers(artifact, tensors)
        assert [leaf.dtype for leaf in actual] == [leaf.dtype for leaf in expected]
        assert [leaf.shape for leaf in actual] == [leaf.shape for leaf in expected]
        assert (actual[0] - expected[0]).abs().max() <= tolerance


def test_leaves_example_and_inputs_alone(machine, export):
    backend, _ = machine
    before = [tensor.clone() for tensor in export.example]
    artifact = backend.export(export)
    tensors = fresh(export)
    kept = [tensor.clone() for tensor in tensors]
    artifact(*tensors)
    assert all(torch.equal(left, right) for left, right in zip(before, export.example))
    assert all(torch.equal(left, right) for left, right in zip(kept, tensors))
    assert not export.module.training


def test_saves_and_loads(machine, export, tmp_path):
    backend, _ = machine
    artifact = backend.export(export)
    path = tmp_path / f"artifact{backend.ending}"
    artifact.save(path)
    names: dict = {}
    exec(backend.loader(), names)
    with quiet():
        loaded = names["load"](str(path))
    tensors = fresh(export)
    for left, right in zip(answers(artifact, tensors), answers(loaded, tensors)):
        assert torch.equal(left, right)


def test_details_are_plain(machine, export):
    import json

    backend, _ = machine
    json.dumps(dict(backend.export(export).details))


def test_other_sizes_run_or_name_the_axis(machine, export):
    backend, _ = machine
    artifact = backend.export(export)
    longer = torch.randint(0, 40, (2, 9)), torch.rand(2, 9)
    if backend.traits.moves:
        assert answers(artifact, longer)[0].shape == (2, 9, 5)
        return
    with pytest.raises(InputError, match="axis 'sequence' is 9, larger than the 7"):
        artifact(*longer)
    with pytest.raises(InputError, match="input 'ids': axis 'batch' is 1, smaller than the 2"):
        artifact(*(tensor[:1] for tensor in export.example))


def test_does_not_compute_gradients(machine, export):
    backend, _ = machine
    assert not any(leaf.requires_grad for leaf in answers(backend.export(export), fresh(export)))
