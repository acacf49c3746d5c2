"""What a module holds at two moments: other values are a change, other objects are not."""

from __future__ import annotations

import itertools
import random
from typing import Any, Callable

import numpy
import pytest
import torch
from torch import nn

from pytest_torchscript.models.state import Glance, Place, changes, look_at, put_back

#: torch.jit.script and quantized tensors are deprecated, and used.
pytestmark = pytest.mark.filterwarnings("ignore")


class Plain:
    def __init__(self) -> None:
        self.values = [1, 2]


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))


class Module(nn.Module):
    """Holds one of each."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()
        self.register_buffer("buffer", torch.ones(3))
        self.number = 1
        self.tensor = torch.ones(2)
        self.table: dict[Any, Any] = {"a": [torch.ones(1)]}
        self.plain = Plain()
        self.array = numpy.ones(2)
        self.random = random.Random(0)
        self.generator = torch.Generator()
        self.numpy_random = numpy.random.default_rng(0)
        self.ids = itertools.count()
        self.names = {"a", "b"}
        self.hidden = [Inner()]
        self.script = torch.jit.script(nn.Linear(2, 2))
        self.long = list(range(1000))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


CHANGES: dict[str, tuple[Callable[[Module], Any], str]] = {
    "a number": (lambda module: setattr(module, "number", 2), "number"),
    "another kind of number": (lambda module: setattr(module, "number", True), "number"),
    "a tensor replaced": (lambda module: setattr(module, "tensor", torch.zeros(2)), "tensor"),
    "a tensor in place": (lambda module: module.tensor.add_(1), "tensor"),
    "a tensor replaced and the old one written to": (
        lambda module: (module.tensor.add_(1), setattr(module, "tensor", torch.ones(2))),
        "tensor",
    ),
    "a buffer in place": (lambda module: module.buffer.add_(1), "buffer"),
    "a buffer's data": (lambda module: setattr(module.buffer, "data", torch.ones(5)), "buffer"),
    "a weight's data": (lambda module: setattr(module.inner.weight, "data", torch.zeros(2)), "inner.weight"),
    "a weight replaced": (lambda module: setattr(module.inner, "weight", nn.Parameter(torch.zeros(2))), "inner.weight"),
    "deep in a dict": (lambda module: module.table["a"][0].add_(1), "table"),
    "another key": (lambda module: module.table.update(b=1), "table"),
    "an object's values": (lambda module: module.plain.values.append(3), "plain"),
    "an array in place": (lambda module: module.array.__iadd__(1), "array"),
    "Python's random numbers": (lambda module: module.random.random(), "random"),
    "torch's random numbers": (lambda module: torch.rand(1, generator=module.generator), "generator"),
    "numpy's random numbers": (lambda module: module.numpy_random.random(), "numpy_random"),
    "a counter": (lambda module: next(module.ids), "ids"),
    "a set": (lambda module: module.names.add("c"), "names"),
    "a module in a list": (lambda module: setattr(module.hidden[0], "number", 1), "hidden[0].number"),
    "a new attribute": (lambda module: setattr(module, "made", None), "made"),
    "an attribute that went": (lambda module: delattr(module, "number"), "number"),
    "a part exchanged": (lambda module: setattr(module, "inner", nn.Identity()), "inner"),
    "a scripted part": (lambda module: module.script.weight.detach().add_(1), "script.weight"),
    "the end of a long list": (lambda module: module.long.append(1), "long"),
    "the mode": (lambda module: setattr(module.inner, "training", False), "inner.training"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_is_seen_where_it_is(kind: str) -> None:
    module = Module()
    change, place = CHANGES[kind]
    before = look_at(module)
    change(module)
    found = changes(before, look_at(module))
    assert place in map(str, found)
    assert len(found) == 1 or kind in ("a part exchanged",)


NO_CHANGES: dict[str, Callable[[Module], Any]] = {
    "nothing": lambda module: None,
    "a call": lambda module: module(torch.ones(1)),
    "an equal tensor": lambda module: setattr(module, "tensor", torch.ones(2)),
    "an equal tensor that is not a number": lambda module: setattr(module, "tensor", module.tensor.clone()),
    "an equal number": lambda module: setattr(module, "number", int("1")),
    "an equal list": lambda module: module.table.update(a=[torch.ones(1)]),
    "an equal weight": lambda module: setattr(module.inner, "weight", nn.Parameter(torch.ones(2))),
    "a hook": lambda module: module.register_forward_hook(lambda *_: None),
}


@pytest.mark.parametrize("kind", NO_CHANGES)
def test_what_is_equal_has_not_changed(kind: str) -> None:
    module = Module()
    before = look_at(module)
    NO_CHANGES[kind](module)
    assert changes(before, look_at(module)) == []


def without_script() -> Module:
    module = Module()
    del module.script
    return module


@pytest.mark.parametrize("kind", [kind for kind in CHANGES if kind != "a scripted part"])
def test_a_glance_takes_no_change_for_none(kind: str) -> None:
    module = without_script()
    glance = Glance(module)
    assert glance.same()
    CHANGES[kind][0](module)
    assert not glance.same()


@pytest.mark.parametrize("kind", NO_CHANGES)
def test_a_glance_is_certain_where_the_objects_are_the_same(kind: str) -> None:
    module = without_script()
    glance = Glance(module)
    NO_CHANGES[kind](module)
    assert glance.same() == (kind in ("nothing", "a call", "an equal number", "an equal list", "a hook"))


def test_a_glance_is_never_certain_of_scripted_parts() -> None:
    assert not Glance(Module()).same()


def test_nan_is_equal_to_itself() -> None:
    module = Module()
    module.tensor = torch.tensor([float("nan")])
    before = look_at(module)
    module.tensor = module.tensor.clone()
    assert changes(before, look_at(module)) == []


def test_what_is_written_behind_torchs_back_is_seen_where_contents_are_read() -> None:
    module = Module()
    for weights in (False, True):
        before = look_at(module, contents=True, weights=weights)
        module.buffer.data.add_(1)
        module.tensor.numpy()[0] += 1
        module.inner.weight.data.mul_(2)
        found = {str(place) for place in changes(before, look_at(module, contents=True, weights=weights))}
        assert found == {"tensor", "buffer", *(["inner.weight"] if weights else [])}
    before = look_at(module)
    module.buffer.data.add_(1)
    assert changes(before, look_at(module)) == []


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64, torch.bool, torch.complex64, torch.uint8])
def test_the_numbers_of_every_dtype_are_read(dtype: torch.dtype) -> None:
    module = nn.Module()
    module.tensor = torch.zeros((), dtype=dtype)
    before = look_at(module, contents=True)
    module.tensor.data.fill_(1)
    assert len(changes(before, look_at(module, contents=True))) == 1


def test_quantized_sparse_and_empty_tensors_are_borne_with() -> None:
    module = nn.Module()
    module.tensors = [
        torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
        torch.eye(2).to_sparse(),
        torch.ones(2, device="meta"),
        torch.ones(0),
    ]
    with torch.inference_mode():
        module.made = torch.ones(1)
    assert changes(look_at(module, contents=True), look_at(module, contents=True)) == []


def test_what_holds_itself_is_looked_at_once() -> None:
    module = Module()
    module.table["self"] = module.table
    module.plain.owner = module.plain  # type: ignore[attr-defined]
    assert changes(look_at(module), look_at(module)) == []


def test_an_attribute_is_put_back() -> None:
    module, fresh = Module(), Module()
    module.number, module.buffer, module.hidden[0].extra, module.inner.weight.data = (
        5,
        torch.zeros(1),
        1,
        torch.zeros(2),
    )
    for place in (
        Place("", "number"),
        Place("", "buffer"),
        Place("hidden[0]", "extra"),
        Place("inner", "weight"),
    ):
        put_back(module, place, fresh)
    assert (module.number, module.buffer.shape, hasattr(module.hidden[0], "extra")) == (1, (3,), False)
    assert torch.equal(module.inner.weight, torch.ones(2))
    assert dict(module.named_buffers()).keys() == dict(fresh.named_buffers()).keys()
