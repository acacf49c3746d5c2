"""Every kind of module is copied: the copy answers as the original, shares its weights, and keeps its state to itself."""

from __future__ import annotations

import collections
import io
import itertools
import sqlite3
import threading
import weakref
from pathlib import Path
from typing import Any, Callable

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from pytest_torchscript.common import jit
from pytest_torchscript.common.copying import copy_module, every_module
from pytest_torchscript.common.silence import quiet

#: torch.ao.quantization and the norms by hooks are deprecated, and used.
pytestmark = pytest.mark.filterwarnings("ignore")


class Holds(nn.Module):
    """Answers with a layer and a number that it counts up, and holds something beside."""

    def __init__(self, thing: Any = None) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.register_buffer("calls", torch.zeros(()))
        self.seen: dict[str, list[int]] = {"sizes": []}
        self.thing = thing

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.seen["sizes"].append(int(x.shape[0]))
        return self.linear(x) + self.calls


def called(module: nn.Module) -> nn.Module:
    module(torch.ones(2, 4))  # with gradients, as in a training script
    return module.eval()


def statically_quantized() -> nn.Module:
    tools = torch.ao.quantization
    module: Any = nn.Sequential(tools.QuantStub(), nn.Linear(4, 4), nn.ReLU(), tools.DeQuantStub()).eval()
    module.qconfig = tools.get_default_qconfig("fbgemm")
    prepared = tools.prepare(module)
    prepared(torch.randn(8, 4))
    return tools.convert(prepared)


def dynamically_quantized(layer: nn.Module) -> nn.Module:
    quantized: nn.Module = torch.ao.quantization.quantize_dynamic(
        nn.Sequential(layer).eval(), {type(layer)}, dtype=torch.qint8
    )
    return quantized


class Odd:
    """Refuses to be copied, and holds what can be."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.kept: list[int] = []

    def __deepcopy__(self, memo: object) -> Odd:
        raise RuntimeError("not for copying")


class Session:
    """Closes what it holds when it goes: a copy of it would take the original's connection along."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:")

    def __del__(self) -> None:
        self.connection.close()


class Slotted:
    __slots__ = ("lock",)

    def __init__(self) -> None:
        self.lock = threading.Lock()


class NoCopies(Holds):
    def __deepcopy__(self, memo: object) -> NoCopies:
        raise RuntimeError("not for copying")


KINDS: dict[str, Callable[[], nn.Module]] = {
    "a weight norm by hooks": lambda: nn.Sequential(nn.utils.weight_norm(nn.Linear(4, 4))),
    "a weight norm by hooks, called": lambda: called(nn.Sequential(nn.utils.weight_norm(nn.Linear(4, 4)))),
    "a spectral norm by hooks": lambda: nn.Sequential(nn.utils.spectral_norm(nn.Linear(4, 4))).eval(),
    "a spectral norm by hooks, called": lambda: called(nn.Sequential(nn.utils.spectral_norm(nn.Linear(4, 4)))),
    "a parametrized spectral norm": lambda: called(nn.Sequential(parametrizations.spectral_norm(nn.Linear(4, 4)))),
    "an orthogonal parametrization": lambda: called(nn.Sequential(parametrizations.orthogonal(nn.Linear(4, 4)))),
    "a dynamically quantized layer": lambda: dynamically_quantized(nn.Linear(4, 4)),
    "an eight-bit LSTM": lambda: dynamically_quantized(nn.LSTM(4, 4)),
    "an eight-bit GRU": lambda: dynamically_quantized(nn.GRU(4, 4)),
    "a statically quantized module": statically_quantized,
    "a scripted module": lambda: torch.jit.script(nn.Sequential(nn.Linear(4, 4)).eval()),
    "a traced module": lambda: jit.trace(nn.Sequential(nn.Linear(4, 4)).eval(), (torch.ones(2, 4),)),
    "a frozen module": lambda: torch.jit.freeze(torch.jit.script(nn.Sequential(nn.Linear(4, 4)).eval())),
    "a module that refuses": NoCopies,
    "another model in a list": lambda: Holds([Holds()]),
    "another model in itself": lambda: nn.Sequential(Holds(torch.jit.script(nn.Linear(4, 4)))),
    "a computed tensor in a dict": lambda: Holds({"kept": [nn.Linear(2, 2).weight * 2]}),
    "a scripted function": lambda: Holds(torch.jit.script(torch.nn.functional.relu)),
    "a lock": lambda: Holds(threading.Lock()),
    "a condition": lambda: Holds(threading.Condition()),
    "a thread's own values": lambda: Holds(threading.local()),
    "a generator": lambda: Holds(number for number in range(3)),
    "a counter": lambda: Holds(itertools.count()),
    "torch's generator": lambda: Holds(torch.Generator().manual_seed(5)),
    "a module of Python": lambda: Holds(io),
    "a weak reference": lambda: Holds(weakref.ref(nn.Linear)),
    "a database": lambda: Holds(sqlite3.connect(":memory:")),
    "a helper with a lock": lambda: Holds(Odd()),
    "a helper with slots": lambda: Holds(Slotted()),
    "locks in containers": lambda: Holds(
        {"list": [threading.Lock()], "ordered": collections.OrderedDict(a=threading.Lock()), "set": {threading.Lock()}}
    ),
}


def answer(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad(), quiet():
        out = module(x)
    return out[0] if isinstance(out, tuple) else out


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_answers_as_the_original_and_traces(kind: str) -> None:
    module = KINDS[kind]()
    x = torch.linspace(0, 1, 12).reshape((3, 1, 4) if "LSTM" in kind or "GRU" in kind else (3, 4))
    expected = answer(copy_module(module), x)
    for share in (True, False):
        copied = copy_module(module, share=share)
        assert copied is not module
        assert isinstance(
            copied, torch.jit.ScriptModule if isinstance(module, torch.jit.ScriptModule) else type(module)
        )
        assert torch.equal(answer(copied, x), expected)
        parameters = zip(module.parameters(), copied.parameters())
        assert all((ours.data_ptr() == theirs.data_ptr()) is share for ours, theirs in parameters)
    with quiet():
        traced = answer(jit.trace(copy_module(module), (x,)), x)
    counted = any(isinstance(part, Holds) for part in module.modules())  # the trace itself was a call
    assert torch.allclose(traced, expected + counted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_copy_keeps_stays_with_it(kind: str) -> None:
    module: Any = KINDS[kind]()
    if not isinstance(module, Holds):
        pytest.skip("keeps nothing")
    copied = copy_module(module)
    answer(copied, torch.ones(3, 4))
    answer(copied, torch.ones(3, 4))
    assert (float(module.calls), module.seen) == (0, {"sizes": []})
    assert (float(copied.calls), copied.seen) == (2, {"sizes": [3, 3]})


def test_tied_weights_stay_tied() -> None:
    for hold in (None, threading.Lock()):  # the second is copied in pieces
        module = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
        module[1].weight = module[0].weight
        module[0].held = hold
        copied, apart = copy_module(module), copy_module(module, share=False)
        assert copied[1].weight is copied[0].weight is module[0].weight
        assert apart[1].weight is apart[0].weight is not module[0].weight


class ReachesBack(nn.Module):
    """Calls its layer by a weak reference to itself, as some hooks do."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.itself = weakref.ref(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.itself().linear(x)


def patched() -> nn.Module:
    module = nn.Linear(4, 4)
    forward = module.forward
    module.forward = lambda x: forward(x) * 2  # a method that was bound to the original
    return module


class Hooked(nn.Module):
    """Keeps what a layer answered by a hook that closes over the model, as those who want features do."""

    def __init__(self, register: str) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.features: dict[str, torch.Tensor] = {}
        features = self.features

        def by_closure(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
            self.features["linear"] = output

        def by_default(module: nn.Module, inputs: Any, output: torch.Tensor, model: nn.Module = self) -> None:
            model.features["linear"] = output

        def by_name(module: nn.Module, inputs: Any, output: torch.Tensor, *, model: nn.Module = self) -> None:
            model.features["linear"] = output

        hooks = {
            "closure": by_closure,
            "default": by_default,
            "keyword": by_name,
            "container": lambda module, inputs, output: features.__setitem__("linear", output),
        }
        self.linear.register_forward_hook(hooks[register])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.linear(x)
        return self.features["linear"] * 2


@pytest.mark.parametrize("register", ["closure", "default", "keyword", "container"])
def test_a_hook_writes_on_the_copy_that_it_hangs_on(register: str) -> None:
    module = Hooked(register).eval()
    x = torch.ones(3, 4)
    expected = module(x)
    module.features.clear()
    made = copy_module(module)
    with quiet():
        assert torch.equal(made(x), expected)
        assert torch.equal(answer(jit.trace(copy_module(made), (x,)), x), expected)
    assert not module.features


def test_a_function_that_closes_over_nothing_of_the_model_is_the_same() -> None:
    module = nn.Linear(4, 4)
    times = 2
    module.scaled = lambda x: x * times
    assert copy_module(module).scaled is module.scaled


class Shared(dict):
    """Is the same in every copy, as registers are."""

    def __deepcopy__(self, memo: Any) -> Shared:
        return self


def test_dicts_that_are_shared_keep_their_functions_and_those_that_hold_themselves_end() -> None:
    module = nn.Linear(4, 4)
    module.register: Any = Shared(itself=lambda: module)
    module.cache: Any = {"itself": lambda: module}
    module.cache["again"] = module.cache
    made = copy_module(module)
    assert made.register is module.register
    assert module.register["itself"]() is module
    assert made.cache["itself"]() is made.cache["again"]["itself"]() is made
    assert module.cache["itself"]() is module


@pytest.mark.parametrize("make", [ReachesBack, patched])
def test_a_copy_whose_forward_reaches_the_original_can_be_traced(make: Callable[[], nn.Module]) -> None:
    module = make().eval()
    x = torch.ones(3, 4)
    with quiet():
        assert torch.equal(answer(jit.trace(copy_module(module), (x,)), x), answer(module, x))


def test_a_lazy_layer_is_initialised_in_the_copy_alone() -> None:
    module = nn.LazyLinear(2)
    copy_module(module)(torch.ones(1, 3))
    assert module.has_uninitialized_params()


def test_a_generator_of_torch_goes_on_by_itself() -> None:
    module = Holds(torch.Generator().manual_seed(5))
    module.lock = threading.Lock()
    copied = copy_module(module)
    drawn = torch.rand(3, generator=copied.thing)
    assert torch.equal(drawn, torch.rand(3, generator=module.thing))


def test_a_helper_keeps_its_own_values_and_shares_its_lock() -> None:
    module = Holds(Odd())
    copied = copy_module(module)
    copied.thing.kept.append(1)
    assert module.thing.kept == []
    assert copied.thing.lock is module.thing.lock


def test_a_file_and_what_closes_it_are_shared(tmp_path: Path) -> None:
    session = Session()
    with (tmp_path / "table.txt").open("w") as file:
        module = Holds({"file": file, "session": session})
        copied = copy_module(module)
        assert copied.thing["file"] is file
        assert copied.thing["session"] is session
        del copied
        session.connection.execute("select 1")


def test_a_large_module_with_a_lock_in_every_layer_is_copied_quickly() -> None:
    layers = [Holds(threading.Lock()) for _ in range(300)]
    copied = copy_module(nn.Sequential(*layers))
    assert [layer.thing for layer in copied] == [layer.thing for layer in layers]
    assert copied[7].seen is not layers[7].seen


def test_hidden_modules_are_seen_once() -> None:
    inner, outer = nn.Linear(2, 2), Holds()
    outer.thing = {"a": [inner], "b": (inner, outer)}
    assert [type(part) for part in every_module(outer)].count(nn.Linear) == 2


class SaysHow(nn.Module):
    """Leaves its cache out of what is copied."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.cache: dict[str, int] | None = {"size": 3}

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "cache": None}


def test_a_class_that_says_how_it_is_copied_is_heard() -> None:
    module = nn.Sequential(SaysHow())
    copied = copy_module(module)
    assert (copied[0].cache, module[0].cache) == (None, {"size": 3})
    assert copied[0].linear.weight is module[0].linear.weight
