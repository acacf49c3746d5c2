"""Functions as models: torch.jit.trace takes them, and so do we."""

from __future__ import annotations

import copy
import functools
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn


class FunctionModel(nn.Module):
    """A function, a bound method, a functools.partial or a ScriptFunction as a module.

    The modules that it calls are registered: without that a trace would take their parameters for constants, and refuse. A
    copy of this module calls copies of them. Modules that another function calls for it are not seen.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.called = _Called(function)
        found = dict(_modules_in(function))
        #: How code that holds the function names the modules it calls.
        self.names_called = tuple(found)
        self.modules_called = nn.ModuleList(found.values())
        self.training = any(module.training for module in self.modules_called)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self.called.function(*args, **kwargs)


class _Called:
    """Holds a function where nn.Module would call it a submodule, and copies what it closes over."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __deepcopy__(self, memo: dict[int, Any]) -> _Called:
        return _Called(_copied(self.function, memo))


def as_module(model: Any) -> nn.Module:
    """Return a module as it is, and anything else that can be called as a module."""
    return model if isinstance(model, nn.Module) else FunctionModel(model)


def is_model(value: Any) -> bool:
    """Whether a value can be checked: a module, scripted ones too, or a function. A class is none, but what it makes."""
    return isinstance(value, nn.Module) or (callable(value) and not isinstance(value, (type, str)))


def needs_arguments(function: Callable[..., Any]) -> bool:
    """Whether something cannot be called with nothing: it makes no model then, but may be one."""
    parameters = _parameters_of(function)
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return parameters is not None and any(
        item.default is inspect.Parameter.empty and item.kind not in kinds for item in parameters.values()
    )


def plain_model(module: nn.Module) -> Any:
    """Return what the user gave: the function of a `FunctionModel`, else the module itself."""
    return module.called.function if isinstance(module, FunctionModel) else module


def name_of(module: nn.Module) -> str:
    """Return what a model is called: its class, a function's own name, or a scripted module's original class."""
    called = plain_model(module)
    while isinstance(called, functools.partial):
        called = called.func
    if isinstance(called, torch.jit.ScriptModule):
        return str(called.original_name)
    if isinstance(called, torch.jit.ScriptFunction):
        schema: Any = called.schema  # torch's stubs take it for a method
        return str(schema.name)
    name = str(getattr(called, "__name__", "") or type(called).__name__)
    if isinstance(called, types.MethodType):
        return f"{type(called.__self__).__name__}.{name}"
    return "function" if name == "<lambda>" else name


def call_parameters(module: nn.Module) -> Mapping[str, inspect.Parameter] | None:
    """Return the parameters that a model is called with, by name; None where they cannot be known."""
    return _parameters_of(plain_model(module))


def _parameters_of(called: Any) -> Mapping[str, inspect.Parameter] | None:
    if isinstance(called, functools.partial) and isinstance(called.func, nn.Module):
        called = functools.partial(called.func.forward, *called.args, **called.keywords)
    if isinstance(called, nn.Module):
        called = called.forward
    schema = getattr(called, "schema", None)  # of a scripted or a traced function
    if schema is not None:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        found = {}
        for argument in schema.arguments:
            default = argument.default_value if argument.has_default_value() else inspect.Parameter.empty
            if argument.name != "self":
                found[argument.name] = inspect.Parameter(argument.name, kind, default=default)
        return found
    try:
        return inspect.signature(called).parameters
    except (TypeError, ValueError):
        return None


def _modules_in(function: Any) -> Iterator[tuple[str, nn.Module]]:
    """Yield the modules that a function reaches at once, by the names it knows them by: its owner, its closure, its
    arguments, the globals it uses, the attributes of an object that is called."""
    found: list[tuple[str, Any]] = []
    path = "function"
    while isinstance(function, functools.partial):
        found += [(f"{path}.args[{index}]", value) for index, value in enumerate(function.args)]
        found += [(f"{path}.keywords[{name!r}]", value) for name, value in function.keywords.items()]
        function, path = function.func, f"{path}.func"
    if isinstance(function, types.MethodType):
        found.append((f"{path}.__self__", function.__self__))
    elif isinstance(function, nn.Module):
        found.append((path, function))
    elif isinstance(function, types.FunctionType):
        cells = zip(function.__code__.co_freevars, function.__closure__ or ())
        found += [(name, cell.cell_contents) for name, cell in cells if _holds_module(cell)]
        found += [
            (name, function.__globals__[name]) for name in function.__code__.co_names if name in function.__globals__
        ]
        given = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
        found += [(f"{path}.__defaults__[{index}]", value) for index, value in enumerate(given)]
    elif not isinstance(function, torch.jit.ScriptFunction):
        found += [(f"{path}.{name}", value) for name, value in getattr(function, "__dict__", {}).items()]
    seen: set[int] = set()
    for name, value in found:
        if isinstance(value, nn.Module) and id(value) not in seen:
            seen.add(id(value))
            yield name, value


def _holds_module(cell: Any) -> bool:
    try:
        return isinstance(cell.cell_contents, nn.Module)
    except ValueError:  # a name that is bound later
        return False


def _copied(function: Any, memo: dict[int, Any]) -> Any:
    """Return a function that calls copies of the modules it is bound to or closes over."""
    if isinstance(function, functools.partial):
        arguments = copy.deepcopy((function.args, function.keywords), memo)
        return functools.partial(_copied(function.func, memo), *arguments[0], **arguments[1])
    if isinstance(function, types.MethodType):
        return types.MethodType(function.__func__, copy.deepcopy(function.__self__, memo))
    if isinstance(function, types.FunctionType):
        cells = tuple(
            types.CellType(copy.deepcopy(cell.cell_contents, memo)) if _holds_module(cell) else cell
            for cell in function.__closure__ or ()
        )
        named = {name: function.__globals__.get(name) for name in function.__code__.co_names}
        replaced = {name: copy.deepcopy(value, memo) for name, value in named.items() if isinstance(value, nn.Module)}
        if not replaced and not any(_holds_module(cell) for cell in function.__closure__ or ()):
            return function
        found = {**function.__globals__, **replaced} if replaced else function.__globals__
        made = types.FunctionType(function.__code__, found, function.__name__, function.__defaults__, cells)
        made.__kwdefaults__ = function.__kwdefaults__
        return made
    if isinstance(function, (torch.jit.ScriptFunction, types.BuiltinFunctionType)):
        return function
    return copy.deepcopy(function, memo)
