"""The calls of torch's tracer: torch.jit.trace, and the graph alone."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from pytest_torchscript.common.libraries import any_scripted
from pytest_torchscript.common.short_stack import on_short_stack
from pytest_torchscript.errors import LibraryError
from pytest_torchscript.versions import library_name


def trace(module: Any, example: tuple[Any, ...], *, strict: bool = False) -> Any:
    """Trace a module or a function on clones of its example, without gradients; what torch raises passes through.

    Of an example that is nested only the tensors at the top are cloned.

    torch's own checker stays off: it compares graphs, cries wolf, and runs at the traced size only. ``strict`` False lets
    dicts among the outputs pass.
    """
    tracer = library_name("torch.jit", "trace", used_for="every trace")
    with torch.no_grad():
        cloned = tuple(value.clone() if isinstance(value, torch.Tensor) else value for value in example)
        return tracer(module, cloned, check_trace=False, strict=strict)


def record(module: Any, example: tuple[torch.Tensor, ...]) -> tuple[Any, dict[str, torch.Tensor]]:
    """Return the graph that tracing a module gives, and the weights that are its inputs after the example's, by their paths.

    Its operations, scopes and lines are those of `trace`, at less than half the time for a model of many parts: no script
    module is made for each. torch's exporter of ONNX takes this way. What torch raises passes through; it refuses scripted
    and packed parts, which `trace` takes.
    """
    create = library_name("torch._C", "_create_graph_by_tracing", used_for="the graphs that are compared")
    inline = library_name("torch._C", "_jit_pass_inline", used_for="the graphs that are compared")
    weights = dict((*module.named_parameters(), *module.named_buffers()))
    # The forward of a module without hooks is all that its call does, and each of torch's frames around it costs every
    # operation.
    call = module if _hooked(module) else module.forward

    def called(*inputs: Any) -> Any:
        with _scopes_of(module):
            return call(*inputs[: len(example)])

    with torch.no_grad():
        inputs = (*(tensor.clone() for tensor in example), *weights.values())
        graph, _ = on_short_stack(lambda: create(called, inputs, lambda _: "", False, False))
    inline(graph)
    return graph, weights


def _hooked(module: Any) -> bool:
    """Whether a call of a module may be more than its forward."""
    hooks = (held for name, held in vars(module).items() if name.endswith("_hooks"))
    return type(module).__call__ is not torch.nn.Module.__call__ or any(hooks)


def function_of(graph: Any, weights: Iterable[torch.Tensor]) -> Callable[..., Any]:
    """Return what a recorded graph computes of its example's inputs, as `record` gives graph and weights. It answers as the
    trace of the module does, and goes when it is dropped, where torch keeps the code of modules."""
    create = library_name("torch._C", "_create_function_from_graph", used_for="exports that are called a few times")
    function, held = create("forward", graph.copy()), tuple(weights)
    return lambda *tensors: function(*tensors, *held)


@contextmanager
def _scopes_of(root: Any) -> Iterator[None]:
    """Let torch write down which part of a module each operation stands in, as it does where it traces the module itself."""
    tracer: Any = importlib.import_module("torch.jit._trace")
    before = getattr(tracer, "_trace_module_map", None)
    tracer._trace_module_map = {part: f"__module.{name}" for name, part in root.named_modules() if name}
    try:
        yield
    finally:
        tracer._trace_module_map = before


@contextmanager
def unheard() -> Iterator[None]:
    """Let the tracer, where it is at work, record nothing of what runs here."""
    state = library_name("torch._C", "_get_tracing_state", used_for="what is no part of a trace")()
    change = library_name("torch._C", "_set_tracing_state", used_for="what is no part of a trace")
    if state is None:
        yield
        return
    change(None)
    try:
        yield
    finally:
        change(state)


@contextmanager
def unoptimised() -> Iterator[None]:
    """Run scripted code as it stands, operation by operation."""
    with library_name("torch.jit", "optimized_execution", used_for="exports of models without weights")(False):
        yield


def forget_code() -> bool:
    """Let torch drop the code of traced and scripted modules that are gone, and say whether it did.

    It keeps all of it as long as the process lives: 4 MB a model of this suite. torch's own tests empty its register the same
    way. Whoever held a module would find it without its methods: nothing is done while one is alive in this process, or
    where a class was compiled, which functions may use. Functions, and what was loaded from files, have their own.
    """
    used_for = "forgetting the code of modules that are gone"
    try:
        clear = library_name("torch._C", "_jit_clear_class_registry", used_for=used_for)
        recursive: Any = importlib.import_module("torch.jit._recursive")
        state: Any = importlib.import_module("torch.jit._state")
        types, classes, forget_classes = recursive.ConcreteTypeStore, state._script_classes, state._clear_class_state
    except (LibraryError, ImportError, AttributeError):
        return False
    gc.collect()
    if classes or any_scripted():
        return False
    clear()
    recursive.concrete_type_store = types()  # it knows modules by the types that were dropped
    forget_classes()
    return True
