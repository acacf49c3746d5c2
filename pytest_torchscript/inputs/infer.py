"""The inputs of a transformers model from its configuration, its forward signature and its main input."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from pytest_torchscript.inputs.reading import Reading, read_signature, undeclared
from pytest_torchscript.inputs.rules import RULES
from pytest_torchscript.spec import InputSpec, TensorSpec


def infer_inputs(
    config: Any,
    model_class: type,
    task: str = "default",
    *,
    embeds: bool = False,
    declared: Mapping[str, TensorSpec] | None = None,
) -> InputSpec:
    """Return every input that an export of the model feeds, by name, in the order of its forward.

    No instance is needed. ``embeds`` enters by ``inputs_embeds`` instead of ids; ``declared`` inputs replace or join the
    inferred ones. Raises InputError for a required input that no rule can make.
    """
    reading = Reading(config, model_class, task, embeds, read_signature(model_class))
    inputs: dict[str, TensorSpec] = {}
    for name, parameter in reading.parameters.items():
        if declared and name in declared:
            inputs[name] = declared[name]
            continue
        rule = RULES.get(name)
        spec = rule(reading) if rule else None
        if spec is not None:
            inputs[name] = spec
        elif parameter.default is inspect.Parameter.empty:
            raise undeclared(reading, name, "no rule makes it")
    return InputSpec(inputs)


def call_defaults(config: Any, model_class: type, task: str = "default") -> dict[str, Any]:
    """Return the constant keywords of every call: no cache is made or returned, unless the task is about it."""
    parameters = read_signature(model_class)
    return {"use_cache": False} if "use_cache" in parameters else {}
