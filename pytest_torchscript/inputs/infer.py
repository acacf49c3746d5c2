"""The inputs of a transformers model from its configuration, its forward signature and its main input."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from pytest_torchscript.errors import InputError
from pytest_torchscript.inputs.caches import cache_inputs
from pytest_torchscript.inputs.code import reads_parameter
from pytest_torchscript.inputs.declare import declare_inputs, spec_of
from pytest_torchscript.inputs.reading import Reading, read_signature, undeclared
from pytest_torchscript.inputs.rules import rule_for
from pytest_torchscript.inputs.text import feeds_text, past_length
from pytest_torchscript.spec import Axis, Dim, InputSpec, TensorSpec


def infer_inputs(
    config: Any,
    model_class: type,
    task: str = "default",
    *,
    embeds: bool = False,
    declared: Mapping[str, TensorSpec | torch.Tensor] | None = None,
) -> InputSpec:
    """Return every input that an export of the model feeds, by name, in the order of its forward; caches come last.

    No instance is needed. ``embeds`` enters by ``inputs_embeds`` instead of ids; ``declared`` inputs replace or join
    the inferred ones, an example tensor with its first dim as the batch and the others fixed.
    Raises InputError for a required input that no rule can make.
    """
    given = _declared(declared or {})
    embeds = embeds or ("inputs_embeds" in given and "input_ids" not in given)
    reading = Reading(config, model_class, task, embeds, read_signature(model_class))
    stated = dict(given)
    inputs: dict[str, TensorSpec] = {}
    for name in reading.parameters:
        spec = given.pop(name) if name in given else _inferred(reading, name)
        if spec is not None:
            inputs[name] = spec
    inputs.update(given)
    if reading.with_past:
        inputs.update(cache_inputs(config, past=past_length(reading), source=_source(reading)))
    _check_entry(reading, inputs)
    return InputSpec(described_once(inputs, first=stated))


def completes(config: Any, model_class: type, task: str, declared: Mapping[str, Any]) -> bool:
    """Whether declared inputs are all that a model is to be fed: they hold a main input that could have been inferred.

    Where it could not, the declaration fills a gap, and the other inputs are inferred as ever.
    """
    if Reading(config, model_class, task, parameters=read_signature(model_class)).main_input not in declared:
        return False
    try:
        infer_inputs(config, model_class, task)
    except InputError:
        return False
    return True


def _declared(declared: Mapping[str, TensorSpec | torch.Tensor]) -> dict[str, TensorSpec]:
    specs = {}
    for name, value in declared.items():
        if isinstance(value, torch.Tensor):
            value = spec_of(name, value, ("batch", *value.shape[1:]) if value.dim() else ())
        specs[name] = value
    return dict(declare_inputs(specs)) if specs else {}


def _inferred(reading: Reading, name: str) -> TensorSpec | None:
    """Return the spec of one parameter, None where it is not fed, or raise where it must be and cannot."""
    required = reading.parameters[name].default is inspect.Parameter.empty
    rule = rule_for(reading, name)
    spec = rule(reading) if rule and (required or reads_parameter(reading.model_class, name)) else None
    if spec is None and required:
        raise undeclared(reading, name, "no rule makes it")
    return spec


def _source(reading: Reading) -> Dim | None:
    """Return how long what a decoder keeps of its encoder is: as the text, as Whisper has it, else any length."""
    if not reading.takes("decoder_input_ids"):
        return None
    if feeds_text(reading):
        return "sequence"
    exact = reading.number("max_source_positions") if reading.main_input == "input_features" else None
    return exact or Axis("encoder_sequence")


def _check_entry(reading: Reading, inputs: Mapping[str, TensorSpec]) -> None:
    """Raise where nothing enters: the main input has a default, so that its absence would show only in a call."""
    if not reading.parameters:
        raise InputError(
            f"{reading.model_class.__name__}: forward names no inputs",
            hint="wrap it in a module whose forward does, and return (module, inputs) from a factory",
        )
    if reading.embeds and "inputs_embeds" not in inputs:
        raise undeclared(reading, "inputs_embeds", "forward takes no embeddings of a text")
    entries = ("inputs_embeds",) if reading.embeds else ()
    if not any(name in inputs for name in (reading.main_input, *entries)):
        raise undeclared(reading, reading.main_input, "no rule makes it")


def described_once(inputs: Mapping[str, TensorSpec], *, first: Mapping[str, TensorSpec]) -> dict[str, TensorSpec]:
    """Return the inputs with one description an axis: a declared one replaces what was inferred."""
    described: dict[str, Axis] = {}
    for spec in (*first.values(), *inputs.values()):
        for dim in spec.dims:
            if isinstance(dim, Axis):
                described.setdefault(dim.name, dim)
    return {
        name: spec.updated(dims=tuple(described[dim.name] if isinstance(dim, Axis) else dim for dim in spec.dims))
        for name, spec in inputs.items()
    }


def call_defaults(config: Any, model_class: type, task: str = "default") -> dict[str, Any]:  # noqa: ARG001
    """Return the constant keywords of every call: a cache is made and returned only where the task is about it."""
    takes_cache = "use_cache" in read_signature(model_class)
    return {"use_cache": task.endswith("-with-past")} if takes_cache else {}
