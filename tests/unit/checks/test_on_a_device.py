"""What differs where a model runs on a device: memory ends, the executor changes its program, a copy does not fit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from pytest_torchscript import Axis, TensorSpec
from pytest_torchscript.backends import Artifact, Backend, ExportRequest, Traits
from pytest_torchscript.checks.device import run_on
from pytest_torchscript.compare.policy import Policy
from pytest_torchscript.lab.plan import make_plan
from pytest_torchscript.lab.trial import DIFFERS, RAISES, Judge
from pytest_torchscript.models.eager import Eager
from pytest_torchscript.settings import make_settings
from tests import toys
from tests.asking import answer, ask

needs_lazy = pytest.mark.skipif(
    int(torch.__version__.partition(".")[0]) < 2, reason="the lazy device of torch 1.13 ends the process on an error"
)
LONG = {"x": TensorSpec("batch", Axis("time", max=400), 4)}


def no_room(message: str = "") -> Exception:
    kind: Any = getattr(torch.cuda, "OutOfMemoryError", RuntimeError)
    error: Exception = kind(message or "CUDA out of memory. Tried to allocate 96.00 GiB")
    return error


class Hungry(nn.Module):
    """There is no room for more than so many steps."""

    def __init__(self, most: int = 100, words: str = "") -> None:
        super().__init__()
        self.most, self.words = most, words

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not torch.jit.is_tracing() and x.shape[1] > self.most:
            raise no_room(self.words)
        return x.mean(1)


class HungryAndFrozen(Hungry):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * 0 + x.sum(1) / float(x.shape[1])


@pytest.mark.parametrize("words", ["", "DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."])
def test_the_search_goes_on_below_the_size_that_there_is_no_room_for(words: str) -> None:
    kind = Hungry() if not words else RuntimeHungry(words=words)
    result = ask(kind.eval(), "axis", inputs=LONG)
    found = {item.name: item for item in result.checks}["axis[time]"]
    assert found.outcome == "error"
    assert found.message.splitlines()[0].endswith("axis 'time': out of memory, with x of (2, 400, 4)") or (
        "out of memory, with x of (" in found.message
    )
    axis = result.axis("time")
    assert axis.verdict == "untested"
    assert "; right at " in str(axis.reason)
    assert 50 < max(axis.tried) <= 100  # between the last that ran and the first that did not
    assert found.message.splitlines()[-1].strip().startswith("hint: narrow the axis")


class RuntimeHungry(Hungry):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not torch.jit.is_tracing() and x.shape[1] > self.most:
            raise RuntimeError(self.words)
        return x.mean(1)


def test_what_is_wrong_below_it_is_still_found() -> None:
    result = ask(HungryAndFrozen().eval(), "axis", inputs=LONG)
    assert result.axis("time").verdict == "diverges"


class LateArtifact(Artifact):
    """Right once for any sizes, and wrong from the second call on, as a fuser's program may be."""

    def __init__(self, module: nn.Module, late: int) -> None:
        self.module, self.late, self.seen = module, late, {}

    def __call__(self, *tensors: torch.Tensor) -> Any:
        shape = tuple(tensors[0].shape)
        self.seen[shape] = self.seen.get(shape, 0) + 1
        answer = self.module(*tensors)
        return [leaf * 2 for leaf in answer] if self.seen[shape] > 1 and shape[1] > self.late else answer


class Late(Backend):
    name = "late"
    traits = Traits(follows=True)

    def export(self, request: ExportRequest) -> Artifact:
        return LateArtifact(request.module, late=11)


class LateEverywhere(Late):
    def export(self, request: ExportRequest) -> Artifact:
        return LateArtifact(request.module, late=0)


def test_three_calls_at_the_anchor_tell_of_the_second() -> None:
    found = answer(ask(toys.Sound(), "outputs", backends=["late"], own_backends=[LateEverywhere]))
    assert found.outcome == "failed"
    assert "call 2 of 3" in found.message
    assert "the first call was right: the executor optimises the graph after it" in found.message


@needs_lazy
def test_on_a_device_every_size_is_called_three_times(lazy: str) -> None:
    """On the CPU one call a size is enough, as the executor fuses nothing there."""
    settings = {"backends": ["late"], "own_backends": [Late]}
    assert ask(toys.Sound(), "axis", **settings).passed
    result = ask(toys.Sound(), "outputs", "axis", device=lazy, **settings)
    found = {item.name: item for item in result.checks}
    assert found["outputs"].outcome == "passed"
    assert found["axis[time]"].outcome == "failed"
    assert "call 2 with these inputs; before it was right" in found["axis[time]"].message
    at_once = answer(ask(toys.Sound(), "outputs", device=lazy, backends=["late"], own_backends=[LateEverywhere]))
    assert "call 2 of 3" in at_once.message


def test_a_late_difference_is_told_by_its_call() -> None:
    plan = make_plan(toys.Sound().eval(), make_settings(), inputs=toys.SIGNAL)
    subject = plan.load().subject
    for late, status in ((LateArtifact(subject.module, 0), DIFFERS), (Raising(subject.module), RAISES)):
        trial = Judge(subject.eager, Policy(), calls=3).trial(late, subject.inputs)
        assert (trial.status, trial.call) == (status, 2)
        assert trial.lines[-1].startswith("call 2 with these inputs; before it was right")
        assert Judge(subject.eager, Policy()).trial(type(late)(subject.module, 0), subject.inputs).status == "agrees"


class Raising(LateArtifact):
    def __init__(self, module: nn.Module, late: int = 0) -> None:
        super().__init__(module, late)

    def __call__(self, *tensors: torch.Tensor) -> Any:
        if self.seen:
            raise RuntimeError("the fuser has no such kernel")
        return super().__call__(*tensors)


class NoDoubles(Eager):
    """Its device has no room for a copy in double precision; the CPU has."""

    def in_dtype(self, dtype: torch.dtype, device: torch.device | None = None, *, whole: bool = True) -> Any:
        if device is not None and device.type == "lazy":
            raise no_room()
        return super().in_dtype(dtype, device, whole=whole)


@needs_lazy
def test_where_the_device_has_no_room_the_cpu_makes_the_measure(lazy: str) -> None:
    subject = make_plan(toys.Sound().eval(), make_settings(device=lazy), inputs=toys.SIGNAL).load().subject
    judge = Judge(NoDoubles(subject.module), Policy())
    measure = judge.precise(subject.inputs)
    assert (measure.device.type, measure.dtype) == ("cpu", torch.float64)
    assert torch.allclose(measure.float(), subject.answer.cpu(), atol=1e-5)


class Carried(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


def test_the_file_is_loaded_and_run() -> None:
    """On the device that every machine has; where there is another, the check does this there."""
    lab = make_plan(Carried().eval(), make_settings(), inputs=toys.SIGNAL).load()
    assert run_on(lab, torch.device("cpu")) == ""
    other = make_plan(Carried().eval(), make_settings(), inputs=toys.SIGNAL).load()
    lab.export.artifact.module = other.export.artifact.module  # what is written is another model
    assert run_on(lab, torch.device("cpu")).startswith("it answers otherwise: output: max |actual - expected| = ")


@needs_lazy
def test_a_file_that_does_not_load_there(lazy: str) -> None:
    lab = make_plan(Carried().eval(), make_settings(), inputs=toys.SIGNAL).load()
    assert run_on(lab, torch.device(lazy)).startswith("it does not load: RuntimeError: supported devices include CPU")
