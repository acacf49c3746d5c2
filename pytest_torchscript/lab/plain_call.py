"""What torch.jit.trace says to the model as a user calls it, and the lines that hand it over flat.

Every model is exported in a flat form (models/calling.py). A user who ships it must know where the plain call differs.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from pytest_torchscript.common import jit
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import first_line
from pytest_torchscript.form import code_of, identifiers
from pytest_torchscript.lab.subject import Subject
from pytest_torchscript.models.functions import FunctionModel, call_parameters, plain_model
from pytest_torchscript.outputs import children, walk

_NUMBERS = (bool, int, float, complex)


def plain_call_notes(subject: Subject) -> list[str]:
    """Return what is to be said of ``torch.jit.trace(model, inputs)``: nothing where it is what is checked.

    torch is asked, once, on a copy, where inputs are nested or constant, where a function calls modules, and where
    something other than tensors and tuples comes out. Of transformers' own outputs nothing is said: they have options.
    """
    form, module = subject.spec.form, subject.loaded.module
    output = subject.answer
    leaves = list(walk(output))
    numbers = [path or "output" for path, leaf in leaves if isinstance(leaf, _NUMBERS)]
    notes = [f"output {', '.join(numbers)}: a number in eager, a tensor without dims in the export"] if numbers else []
    constants = _not_default(form.constants, call_parameters(module) or {})
    calls_modules = isinstance(module, FunctionModel) and len(module.modules_called) > 0
    odd = subject.loaded.blueprint.config is None and not _is_plain(output)
    if not (form.nested or constants or calls_modules or odd):
        return notes
    refusal = _refusal(subject)
    if refusal:
        said = f"torch.jit.trace refuses the model as it is called here: {refusal}; checked is its flat form, which it takes:"
    elif form.nested:
        said = "torch.jit.trace takes the model as it is called here; checked is its flat form:"
    else:
        return notes
    return [*notes, "\n    ".join([said, *flat_lines(subject, leaves)])]


def _is_plain(output: Any) -> bool:
    """Whether an output is a tensor, or a tuple of such."""
    if isinstance(output, tuple):
        return all(_is_plain(child) for _, child in children(output) or ())
    return isinstance(output, torch.Tensor)


def _not_default(
    constants: tuple[tuple[str, Any], ...], parameters: Mapping[str, inspect.Parameter]
) -> list[tuple[str, Any]]:
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    return [(name, value) for name, value in constants if name not in defaults or not _same(defaults[name], value)]


def _same(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and isinstance(one, (*_NUMBERS, str)) and one == other)


def _refusal(subject: Subject) -> str:
    """Ask torch to trace the model with its own arguments by place; return its words, empty where it does."""
    tensors = {name: subject.eager.taken(value) for name, value in subject.inputs.items()}
    given = {**subject.constants, **subject.spec.form.build(tensors)}
    module: nn.Module = subject.eager.copy().model
    placed, by_name = _placed(given, call_parameters(module))
    if by_name:
        return f"it gives arguments by place, and {', '.join(by_name)} can be given by name alone"
    error = _asked(module, placed, strict=True)
    if error is None:
        return ""
    if "strict=False" in str(error) and _asked(subject.eager.copy().model, placed, strict=False) is None:
        said = first_line(error, limit=1000).partition(", this is only valid")[0].partition(". ")[0]
        return f"{said}; with strict=False it takes it"
    return _words(error)


def _asked(module: nn.Module, placed: list[Any], *, strict: bool) -> Exception | None:
    try:
        with quiet():
            jit.trace(plain_model(module), tuple(placed), strict=strict)
    except Exception as error:
        return error
    return None


def _placed(
    given: Mapping[str, Any], parameters: Mapping[str, inspect.Parameter] | None
) -> tuple[list[Any], list[str]]:
    """Return arguments in the order of the parameters, less the defaults at the end, and those that have no place."""
    if parameters is None or not all(name in parameters for name in given):
        return list(given.values()), []
    by_name = [name for name in given if parameters[name].kind is inspect.Parameter.KEYWORD_ONLY]
    values = {
        name: given.get(name, parameter.default)
        for name, parameter in parameters.items()
        if parameter.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    }
    while values and _same(parameters[(last := next(reversed(values)))].default, values[last]):
        values.pop(last)
    return list(values.values()), by_name


def _words(error: Exception) -> str:
    """Return what torch says in one line. Of a type it cannot infer it prints every tensor first, and the reason last."""
    lines = [line.strip().lstrip(":") for line in str(error).splitlines() if line.strip()]
    if len(lines) > 1 and "tensor(" in lines[0]:
        return f"{type(error).__name__}: {lines[0].split(' of ')[0]} of its output: {lines[-1]}"
    return first_line(error)


def flat_lines(subject: Subject, leaves: list[tuple[str, Any]]) -> Iterator[str]:
    """Yield Python that traces the flat form; ``model`` (or ``function``) and the tensors are the reader's own names."""
    module, spec = subject.loaded.module, subject.spec
    names = identifiers(tuple(spec))
    parameters = call_parameters(module)
    in_place = [] if parameters is None else list(parameters)
    arguments = []
    for index, (name, node) in enumerate({**spec.form.arguments, **subject.constants}.items()):
        by_place = spec.form.positional or in_place[: index + 1] == list(spec.form.arguments)[: index + 1]
        code = code_of(node, names.__getitem__)
        arguments.append(code if by_place else f"{name}={code}")
    paths = [
        f"torch.as_tensor(out{path})" if isinstance(leaf, _NUMBERS) else f"out{path}"
        for path, leaf in leaves
        if isinstance(leaf, (torch.Tensor, *_NUMBERS))
    ]
    called, modules = _called(module)
    call = f"{called}({', '.join(arguments)})"
    body = f"return {call}" if paths == ["out"] else f"out = {call}; return {', '.join(paths) or '()'}"
    taken = ", ".join(names.values())
    example = f"({taken},)" if len(names) == 1 else f"({taken})"
    if not modules:
        yield f"def flat({taken}): {body}"
        yield f"traced = torch.jit.trace(flat, {example})"
        return
    yield "class Flat(torch.nn.Module):"
    yield f"    def forward(self, {taken}): {body}"
    yield f"flat = Flat().eval(); {modules}; traced = torch.jit.trace(flat, {example})"


def _called(module: nn.Module) -> tuple[str, str]:
    """Return how the model is called within the flat form, and what registers its modules there."""
    if not isinstance(module, FunctionModel):
        return "self.model", "flat.model = model"
    function = module.called.function
    owner = getattr(function, "__self__", None)
    if isinstance(owner, nn.Module):
        return f"self.model.{function.__name__}", "flat.model = model"
    if len(module.modules_called):
        return "function", f"flat.called = torch.nn.ModuleList([{', '.join(module.names_called)}])"
    return "function", ""
