"""The inputs of a transformers model from its configuration, its forward signature and its main input."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from pytest_torchscript.errors import InputError
from pytest_torchscript.form import Form, Slot, plain_form
from pytest_torchscript.inputs.caches import cache_inputs, cache_keyword
from pytest_torchscript.inputs.code import reads_parameter
from pytest_torchscript.inputs.declare import Declared, describe, read_inputs, spec_of
from pytest_torchscript.inputs.multimodal import Ask, Joined, pictures_in_text
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
    declared: Declared | Mapping[str, Any] | None = None,
    complete: bool = False,
    ask: Ask | None = None,
) -> InputSpec:
    """Return every input that an export of the model feeds, by name, in the order of its forward; caches come last.

    No instance is needed. ``embeds`` enters by ``inputs_embeds`` instead of ids; ``declared`` inputs replace or join
    the inferred ones, or are all there are where they are `complete`. An example tensor has the dims that would have been
    inferred, or its first dim as the batch and the others fixed. ``ask`` calls a method of the model: without it no picture
    is put into a text.
    Raises InputError for a required input that no rule can make, or for examples whose sizes do not fit together.
    """
    read = declared if isinstance(declared, Declared) else read_inputs(declared) if declared else Declared(Form({}), {})
    given, stated, examples = read.form.arguments, read.specs, read.examples
    embeds = embeds or ("inputs_embeds" in given and "input_ids" not in given)
    reading = Reading(config, model_class, task, embeds, read_signature(model_class))
    inputs: dict[str, TensorSpec] = {}
    arguments: dict[str, Any] = {}
    joined = pictures_in_text(reading, ask) if ask and not (given or embeds or reading.with_past) else Joined()

    def declare(name: str) -> None:
        part = Form({name: given[name]})
        arguments[name] = given[name]
        for flat in part.names:
            inputs[flat] = stated[flat] if flat in stated else _exemplified(reading, flat, examples)

    for name in reading.parameters:
        if name in given:
            declare(name)
        elif not complete:
            spec = joined.inputs.get(name) or _inferred(reading, name)
            if spec is not None:
                inputs[name], arguments[name] = spec, Slot(name)
    for name in given:
        if name not in arguments:
            declare(name)
    if reading.with_past and cache_keyword(given) is None and not complete:
        cache = cache_inputs(config, past=past_length(reading), source=_source(reading))
        inputs.update(cache)
        arguments.update(plain_form(tuple(cache)).arguments)
    _check_entry(reading, arguments)
    found = InputSpec(
        described_once(inputs, first=stated),
        axes=joined.axes,
        form=Form(arguments),
        examples=examples,
        notes=joined.notes,
    )
    found.sizes_of(examples)  # one size an axis
    return found.told(describe(found)) if examples else found


def _exemplified(reading: Reading, name: str, examples: Mapping[str, torch.Tensor]) -> TensorSpec:
    """Return the spec of an example: with the dims that a rule gives such an input, where they fit.

    Without a rule its first dim is the batch where it is as large as that of the main input.
    """
    example = examples[name]
    main = examples.get(reading.main_input, next(iter(examples.values())))
    rows = example.dim() > 0 and example.shape[:1] == main.shape[:1]
    found = spec_of(name, example, ("batch", *example.shape[1:]) if rows else None)
    rule = rule_for(reading, name)
    inferred = rule(reading) if rule else None
    if inferred is None or len(inferred.dims) != example.dim():
        return found
    fits = all(not isinstance(dim, int) or dim == size for dim, size in zip(inferred.dims, example.shape))
    return inferred.updated(dtype=example.dtype) if fits else found


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


def _check_entry(reading: Reading, inputs: Mapping[str, Any]) -> None:
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
