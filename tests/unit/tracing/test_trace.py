"""A trace leaves the module, the example and the warnings of others as they were."""

from __future__ import annotations

import signal
import threading
import warnings

import pytest
import torch
from torch import nn

from pytest_torchscript.common import jit
from pytest_torchscript.tracing.trace import trace_module, warned_lines
from pytest_torchscript.tracing.watch import watch


class Remembers(nn.Module):
    """Keeps what it saw, changes its input and a buffer, and warns."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.register_buffer("seen", torch.zeros(()))
        self.kept: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        warnings.warn("the model speaks", UserWarning, stacklevel=1)
        self.kept.append(int(x.shape[1]))
        self.seen.add_(1)
        x.mul_(2)
        return self.linear(x)


def test_neither_module_nor_example_is_changed() -> None:
    module, x = Remembers(), torch.ones(2, 4)
    trace = trace_module(module, (x,))
    assert module.kept == []
    assert module.seen == 0
    assert torch.equal(x, torch.ones(2, 4))
    assert not any(tensor.grad_fn for tensor in trace.weights.values())


def test_parameters_are_shared_and_not_copied() -> None:
    module = Remembers()
    weights = trace_module(module, (torch.ones(2, 4),)).weights
    assert weights["linear.weight"].data_ptr() == module.linear.weight.data_ptr()


def test_tracer_warnings_become_notes_and_no_warning_is_shown() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters), warnings.showwarning
        trace = trace_module(Remembers(), (torch.ones(2, 4),))
        assert (list(warnings.filters), warnings.showwarning) == before
    (note,) = trace.warnings
    assert note.file == __file__
    assert note.function == "forward"
    assert note.text.startswith("Converting a tensor to a Python integer")


def length(x: torch.Tensor) -> int:
    return len(x)


class Asks(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / length(x)


def test_a_warning_inside_torch_is_noted_where_the_model_asked() -> None:
    note = trace_module(Asks(), (torch.ones(2, 4),)).warnings[0]
    assert (note.file, note.function) == (__file__, "length")


def test_a_warning_without_a_line_of_the_model_has_none() -> None:
    class Compiled(nn.Module):
        forward = staticmethod(torch.Tensor.__int__)  # leaves no frame, as compiled code does

    module = Compiled()
    with warned_lines() as notes, pytest.raises(RuntimeError):
        jit.trace(module, (torch.ones(1),))
    assert [(note.file, note.line) for note in notes] == [("", 0)]


class Handles(nn.Module):
    """Needs the main thread."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return x / length(x) if x.shape[1] > 3 else x
        finally:
            signal.signal(signal.SIGINT, before)


def test_a_model_that_needs_the_main_thread_is_traced_there_and_watched() -> None:
    trace = trace_module(Handles(), (torch.ones(2, 4),))
    assert "aten::div" in str(trace.graph)
    assert watch(trace).whole
    assert watch(trace).reach.compared == {4: {3}}


class Raises(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise ArithmeticError("not today")


def test_what_the_model_raises_comes_through() -> None:
    with pytest.raises(ArithmeticError, match="not today"):
        trace_module(Raises(), (torch.ones(1),))


def test_a_module_that_holds_a_lock_is_traced_as_any_other() -> None:
    module = Remembers()
    module.lock = threading.Lock()
    trace_module(module, (torch.ones(2, 4),))
    assert module.kept == []
