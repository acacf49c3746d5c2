"""A tiny twin of a transformers model: it takes what the model takes, and can be asked before any weight is loaded."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping
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
from pytest_torchscript.inputs.discover import described, required, search
from pytest_torchscript.inputs.infer import call_defaults, infer_inputs
from pytest_torchscript.inputs.reading import Reading, read_signature
from pytest_torchscript.inputs.sounds import layouts
from pytest_torchscript.inputs.values import make_inputs
from pytest_torchscript.lab.anchors import proposals
from pytest_torchscript.models.blueprint import TINY, Blueprint
from pytest_torchscript.models.construct import SEED, build
from pytest_torchscript.models.probe import probe_error
from pytest_torchscript.models.shrink import shrink_config
from pytest_torchscript.outputs import tensor_leaves
from pytest_torchscript.settings import Settings
from pytest_torchscript.spec import InputSpec

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
        until = time.monotonic() + seconds
        reading = Reading(config, model_class, task, parameters=read_signature(model_class))
        alone = not (reading.takes("input_ids") or reading.takes("decoder_input_ids"))
        for layout in layouts(reading):
            if time.monotonic() > until:
                break
            spec = infer_inputs(config, model_class, task, declared=layout, complete=alone)
            if any(said is None for said in _refusals(self.module, spec, task, tried=_TRIED)):
                return spec
        return None

    def asked(self, settings: Settings) -> InputSpec | None:
        """Return the inputs that the twin's layers and answers tell of, where no rule knows them; None where they do not."""
        model_class = self.blueprint.model_class
        parameters = read_signature(model_class) if model_class is not None else {}
        names = required(parameters)
        if not names:
            return None
        module = self.module

        def call(arguments: Mapping[str, Any]) -> None:
            with torch.no_grad(), quiet(), seeded(settings.seed):
                module(**arguments)

        guesses, state = search(module, names, call)
        return described(guesses, state) if guesses is not None else None


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
            if isinstance(error, (RuntimeError, IndexError, AssertionError)):  # a shape that does not fit another
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
