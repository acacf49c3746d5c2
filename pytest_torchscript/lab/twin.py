"""A tiny twin of a transformers model: it takes what the model takes, and can be asked before any weight is loaded."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, Callable

import torch
from torch import nn

from pytest_torchscript.common.copying import copy_module
from pytest_torchscript.common.seeding import seeded
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import InputError, first_line
from pytest_torchscript.inputs.discover import Asked, described, required, search
from pytest_torchscript.inputs.infer import call_defaults, infer_inputs
from pytest_torchscript.inputs.reading import Reading, read_signature
from pytest_torchscript.inputs.rules import rule_for
from pytest_torchscript.inputs.sounds import layouts
from pytest_torchscript.inputs.values import make_inputs
from pytest_torchscript.lab.anchors import proposals
from pytest_torchscript.models.blueprint import TINY, Blueprint
from pytest_torchscript.models.construct import SEED, build
from pytest_torchscript.models.probe import probe_error
from pytest_torchscript.models.shrink import shrink_config
from pytest_torchscript.outputs import tensor_leaves
from pytest_torchscript.settings import Settings
from pytest_torchscript.spec import InputSpec, TensorSpec

#: Of the proposed sizes so many are tried: awkward ones, usual ones, then equal ones, which some inputs must have.
_TRIED = 3


@dataclass
class Twin:
    """The twin of a blueprint's model, built when first asked."""

    blueprint: Blueprint

    @cached_property
    def module(self) -> nn.Module:
        """The twin. Raises ModelError where it cannot be built."""
        config, model_class = self.blueprint.config, self.blueprint.model_class
        assert model_class is not None
        if self.blueprint.twin is not None:
            return self.blueprint.twin
        return build(model_class, config if self.blueprint.weights == TINY else shrink_config(config, model_class))

    def rows(self, method: str, arguments: Mapping[str, Any]) -> int:
        """Return how many rows of features a method of the model makes. Raises what the model raises."""
        return _rows(self.module, method, arguments)

    def refuses(self, spec: InputSpec) -> bool:
        """Whether the twin takes none of a few sizes of these inputs."""
        return all(said is not None for said in _refusals(self.module, spec, self.blueprint.task, tried=4))

    def laid_out(self, *, seconds: float = 10.0) -> InputSpec | None:
        """Return the inputs in the first of the layouts of a sound that the twin takes; None where it takes none."""
        config, model_class, task = self.blueprint.config, self.blueprint.model_class, self.blueprint.task
        assert model_class is not None
        until = time.thread_time() + seconds
        reading = Reading(config, model_class, task, parameters=read_signature(model_class))
        alone = not (reading.takes("input_ids") or reading.takes("decoder_input_ids"))
        for layout in layouts(reading):
            if time.thread_time() > until:
                break
            spec = infer_inputs(config, model_class, task, declared=layout, complete=alone)
            if any(said is None for said in _refusals(self.module, spec, task, tried=_TRIED)):
                return spec
        return None

    def alone(self) -> InputSpec | None:
        """Return the text of a model without the pictures that it was to have; None where the twin refuses that as well."""
        config, model_class, task = self.blueprint.config, self.blueprint.model_class, self.blueprint.task
        assert model_class is not None
        if not {"input_ids", "pixel_values"} <= set(read_signature(model_class)):
            return None
        try:
            spec = infer_inputs(config, model_class, task)
        except InputError:
            return None
        if "pixel_values" in spec or all(said is not None for said in _refusals(self.module, spec, task, tried=_TRIED)):
            return None
        note = "the text is fed without pictures: the model refuses the two together"
        return InputSpec(dict(spec), axes=spec.axes, form=spec.form, notes=(*spec.notes, note))

    def asked(self, settings: Settings) -> InputSpec | None:
        """Return the inputs that the twin's layers and answers tell of, where no rule knows them; None where they do not."""
        model_class = self.blueprint.model_class
        assert model_class is not None
        parameters = read_signature(model_class)
        names = required(parameters)
        if not names:
            return None
        module = self.module

        def call(arguments: Mapping[str, Any]) -> None:
            with torch.no_grad(), quiet(), seeded(settings.seed):
                module(**arguments)

        reading = Reading(self.blueprint.config, model_class, self.blueprint.task, parameters=parameters)
        known = known_of(reading, names)
        guesses, state = search(Asked(module, call), names, known=known)
        wrong = any(spec.dtype is None or spec.dtype.is_floating_point for spec in known.values())
        if guesses is None and wrong:  # a rule that is wrong must not keep the layers from being asked
            guesses, state = search(Asked(module, call), names)
        return described(guesses, state) if guesses is not None else None


def known_of(reading: Reading, names: Iterable[str]) -> dict[str, TensorSpec]:
    """Return what the rules say of some inputs, of those that they know."""
    found = {}
    for name in names:
        rule = rule_for(reading, name)
        try:
            spec = rule(reading) if rule is not None else None
        except InputError:  # the configuration lacks what the rule asks for
            continue
        if spec is not None:
            found[name] = spec
    return found


def _rows(module: nn.Module, method: str, arguments: Mapping[str, Any]) -> int:
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        made = getattr(copy_module(module), method)(**arguments)
    features = getattr(made, "pooler_output", made)
    return sum(leaf.numel() // leaf.shape[-1] for _, leaf in tensor_leaves(features))


def fault_of(task: str) -> Callable[[nn.Module], str | None]:
    """Return what says why a model does not run on the inputs that are inferred for it; None where it does.

    Where nothing can be inferred, or a cache goes with the inputs, the probe is asked, which feeds the main input alone.
    """

    def fault(module: Any) -> str | None:
        try:
            if task.endswith("-with-past"):
                raise InputError("a cache goes with the inputs")
            spec = infer_inputs(module.config, type(module), task, ask=functools.partial(_rows, module))
        except InputError:
            return probe_error(module, seed=SEED)
        said = None
        for error in _refusals(module, spec, task, tried=_TRIED):
            if error is None:
                return None
            # A shape that does not fit another, or a value that transformers says is missing.
            if isinstance(error, (RuntimeError, IndexError, AssertionError)) or "argument in the config" in str(error):
                said = said or first_line(error)
        return said  # anything else it may say is our ignorance

    return fault


def _refusals(module: Any, spec: InputSpec, task: str, *, tried: int) -> Iterator[Exception | None]:
    """Yield what a model raises at a few proposed sizes, None where it takes them."""
    constants = call_defaults(module.config, type(module), task)
    for sizes in islice(proposals(spec, (), {}), tried):
        try:
            with torch.no_grad(), quiet(), seeded(SEED):
                copy_module(module)(**make_inputs(spec, sizes, SEED), **constants)
        except Exception as error:
            yield error
        else:
            yield None
