"""Call ``package.module:factory``: the user's own code, or a library's, imported as ``python -m`` would."""

from __future__ import annotations

import importlib
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from pytest_torchscript.common.frames import raising_frame
from pytest_torchscript.common.global_state import STATES, put_back
from pytest_torchscript.common.seeding import seeded
from pytest_torchscript.errors import ModelError, did_you_mean, first_line
from pytest_torchscript.models.functions import as_module, is_model, needs_arguments

_RETURNS = "return a module, or (module, inputs) where inputs maps names to TensorSpecs or example tensors"


def call_factory(
    target: str,
    *,
    arguments: tuple[Any, ...] = (),
    keywords: Mapping[str, Any] | None = None,
    seed: int = 0,
    told: Callable[[str], object] = lambda _name: None,
) -> tuple[nn.Module, Any]:
    """Return the module of ``package.module:factory``, and the inputs it declares or None, as it gave them.

    The factory is a function or a class, called once with the arguments. A function that it returns with inputs becomes a
    module that calls it.

    The current directory is put on ``sys.path`` (and stays there, as with ``python -m``), because the user's code may
    import more when it is called. ``told`` hears what the call changed of the process, which is put back. Raises ModelError
    where the module, the factory or what it returns is not there.
    """
    module_name, _, attribute = target.partition(":")
    given = [*map(repr, arguments), *(f"{name}={value!r}" for name, value in (keywords or {}).items())]
    with seeded(seed):  # a module may build its model when it is imported
        factory = _attribute(_import(module_name, target), attribute, target)
    if isinstance(factory, nn.Module) and not given:
        return factory, None
    if isinstance(factory, nn.Module) or not callable(factory):
        raise ModelError(
            f"{target}: {attribute} is of type {type(factory).__name__}, not a function or a class",
            hint=f"name it without arguments: {target}" if given else _RETURNS,
        )
    with seeded(seed), put_back(told, STATES):
        try:
            made = factory(*arguments, **(keywords or {}))
        except (Exception, SystemExit) as error:
            code = f"import {module_name}; {module_name}.{attribute}({', '.join(given)})"
            hint = f"call it by itself: python -c {shlex.quote(code)}"
            if not given and isinstance(factory, type) and needs_arguments(factory):
                hint = f"give the class what it needs: --torchscript-model {shlex.quote(target + '(…)')}"
            elif not given and needs_arguments(factory):
                hint = f"give what it needs: {target}(…); a function that is the model itself is returned by one: "
                hint += f'return {attribute}, {{"x": TensorSpec("batch", 16)}}'
            raise ModelError(
                f"{target}: the factory raised {first_line(error)}", evidence=_place(error), hint=hint
            ) from None
    return _check(made, target)


def _import(name: str, text: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise _import_failed(error, name, text) from None
        raise ModelError(
            f"{text}: no module named {error.name!r}",
            evidence=(f"looked in the current directory {here} and on sys.path",),
            hint="run in the folder that holds it, or install it",
        ) from None
    except (Exception, SystemExit) as error:
        raise _import_failed(error, name, text) from None


def _import_failed(error: BaseException, name: str, text: str) -> ModelError:
    return ModelError(
        f"{text}: importing {name} raised {first_line(error)}",
        evidence=_place(error),
        hint=f'import it by itself: python -c "import {name}"',
    )


def _attribute(module: Any, attribute: str, text: str) -> Any:
    value = module
    for name in attribute.split("."):
        if not hasattr(value, name):
            public = [each for each in dir(value) if not each.startswith("_")]
            raise ModelError(
                f"{text}: module {module.__name__!r} has no {attribute!r}",
                hint=did_you_mean(name, public).strip() or "name a function that returns the module",
            )
        value = getattr(value, name)
    return value


def _check(made: Any, text: str) -> tuple[nn.Module, Any]:
    model, inputs = made if isinstance(made, (tuple, list)) and len(made) == 2 else (made, None)
    if not is_model(model):
        raise ModelError(f"{text}: the factory returned {_described(made)}, which is no model", hint=_RETURNS)
    if inputs is None and not isinstance(model, nn.Module):
        raise ModelError(
            f"{text}: the factory returned a function without inputs",
            hint="return (function, inputs): nothing tells what a function takes",
        )
    return as_module(model), inputs


def _described(value: Any) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, (tuple, list)):
        kinds = ", ".join(type(each).__name__ for each in value)
        return f"a {type(value).__name__} of ({kinds})"
    return "None" if value is None else f"a {type(value).__name__}"


def _place(error: BaseException) -> tuple[str, ...]:
    """Name the innermost line of the user's code."""
    if isinstance(error, SyntaxError) and error.filename:
        return (f"at {error.filename}:{error.lineno}",)
    frame = raising_frame(error)
    return (f"at {frame.filename}:{frame.lineno} in {frame.name}",) if frame is not None else ()
