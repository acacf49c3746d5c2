"""Fit a lab to a file made elsewhere: which of the model's inputs it takes, in which order."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_torchscript.backends.base import FileFacts, MadeElsewhere
from pytest_torchscript.backends.registry import backend_of_file
from pytest_torchscript.errors import BackendError
from pytest_torchscript.form import identifiers
from pytest_torchscript.spec import InputSpec


def fit_to_file(path: str, spec: InputSpec) -> tuple[MadeElsewhere, InputSpec, tuple[str, ...]]:
    """Return the backend, the inputs the file takes in its order, and notes. A bad file is told when it is exported."""
    backend = backend_of_file(path)
    facts = backend.facts
    if facts is None:
        return backend, spec, ()
    try:
        fitted = match_inputs(facts, spec, path)
    except BackendError as error:
        backend.refusal = error
        return backend, spec, ()
    notes = [f"checked is the file {path} ({facts.class_name}), made elsewhere"]
    if facts.training:
        notes.append(
            f"the file {path} was traced in training mode: dropout is frozen on; call model.eval() before tracing"
        )
    return backend, fitted, tuple(notes)


def match_inputs(facts: FileFacts, spec: InputSpec, path: str) -> InputSpec:
    """Match the parameters of a file to inputs: by name; by position where no name is known and the numbers agree.

    A flat input is also known by the name that the lines of `flat_lines` give it. Raises BackendError, with what to
    declare, where neither holds.
    """
    flat = {word: name for name, word in identifiers(tuple(spec)).items()}
    names = [flat.get(name, name) for name in map(_bare, facts.inputs)]
    if all(name in spec for name in names):
        return _ordered(spec, names)
    unknown = [name for name in names if name not in spec]
    required = [name for name in spec if name not in spec.optional]
    if len(unknown) == len(names) and len(names) in (len(spec), len(required)):
        return _ordered(spec, list(spec) if len(names) == len(spec) else required)
    raise BackendError(
        f"artifact {path}: it takes {', '.join(facts.inputs)}; the model's inputs are {', '.join(spec)}",
        hint="declare the inputs in the file's order: return (module, {name: TensorSpec(...)}) from a factory",
    )


def _ordered(spec: InputSpec, names: Sequence[str]) -> InputSpec:
    return spec.replaced({name: spec[name] for name in names})


def _bare(name: str) -> str:
    """Drop the number TorchScript puts behind a name it met before: ``input_ids.1``."""
    return re.sub(r"\.\d+$", "", name)
