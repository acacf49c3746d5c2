"""From a reference and settings to a lab, in two steps: what is known at collection, and what takes the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Union

import torch
from torch import nn

from pytest_torchscript.backends.base import Backend
from pytest_torchscript.backends.registry import make_backend
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import InputError, OptionError
from pytest_torchscript.inputs.declare import declare_inputs, propose_axes
from pytest_torchscript.inputs.draw import is_mask
from pytest_torchscript.inputs.infer import call_defaults, completes, infer_inputs
from pytest_torchscript.lab.artifact_inputs import fit_to_file
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.subject import Subject
from pytest_torchscript.models.blueprint import Blueprint, plan_model, plan_module
from pytest_torchscript.models.calling import Positional, takes_keywords
from pytest_torchscript.models.eager import Eager
from pytest_torchscript.models.reference import parse_reference
from pytest_torchscript.models.resolve import build_model
from pytest_torchscript.settings import Settings
from pytest_torchscript.spec import Axis, InputSpec, TensorSpec, narrowed, unknown_axis

Declared = Mapping[str, Union[TensorSpec, torch.Tensor]]


@dataclass(frozen=True)
class CasePlan:
    """What is known before any weight is loaded: the model's blueprint, its inputs, and its axes."""

    reference: str
    blueprint: Blueprint
    spec: InputSpec
    settings: Settings
    prefix: str
    again: Callable[[str], str] | None = None

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the axes, in the order of the inputs; declared fixed ones included."""
        return tuple(self.spec.axes)

    @quiet()
    def load(self, backend: str = "torchscript") -> Lab:
        """Load the model for one backend."""
        blueprint = self.blueprint
        constants: Mapping[str, Any] = {}
        if blueprint.config is not None and blueprint.model_class is not None:
            constants = call_defaults(blueprint.config, blueprint.model_class, blueprint.task)
        loaded = build_model(blueprint, self.settings)
        spec = self.spec.without(*self.settings.leave_out)
        exporter: Backend | None = None
        if self.settings.artifact is not None:
            exporter, spec, notes = fit_to_file(self.settings.artifact, spec)
            loaded = replace(loaded, notes=(*loaded.notes, *notes))
        parameters = tuple(hyper_parameters(blueprint, loaded.module))
        made = Subject(
            loaded,
            spec,
            self.settings,
            numbers=tuple(sorted({value for _, value in parameters})),
            windows=windows_of(parameters),
            constants=constants,
        )
        subject = without_masks(made) if made.meta else made
        subject.module  # noqa: B018 - what cannot be called is told here, once
        return Lab(
            subject,
            exporter or make_backend(backend, self.settings),
            self.prefix,
            label=self.reference,
            again=self.again,
        )


def without_masks(subject: Subject) -> Subject:
    """Return a subject without weights whose eager runs: a model that reads the values of its mask cannot have one here."""
    masks = tuple(name for name in subject.spec.optional if is_mask(subject.spec[name]))
    if not masks:
        return subject
    try:
        subject.sizes  # noqa: B018 - asks eager
    except InputError:
        return subject.variant(without=masks)
    return subject


@quiet()
def plan_case(
    reference: str | nn.Module,
    settings: Settings,
    *,
    inputs: Declared | None = None,
    name: str | None = None,
    offline: bool = False,
) -> CasePlan:
    """Plan the checks of one model: a reference, or a module at hand.

    ``inputs`` are declared ones, by name: TensorSpecs or example tensors. ``name`` is what messages and the report call
    the model. Raises ModelError, InputError or OptionError.
    """
    if isinstance(reference, nn.Module):
        blueprint = plan_module(reference, name or type(reference).__name__, settings=settings)
    else:
        blueprint = plan_model(parse_reference(reference), settings, offline=offline)
    label = name or blueprint.reference
    spec = resolve_inputs(blueprint, settings, inputs if inputs is not None else blueprint.inputs)
    return CasePlan(label, blueprint, spec, settings, f"torchscript::{label}")


def resolve_inputs(blueprint: Blueprint, settings: Settings, declared: Declared | None) -> InputSpec:
    """Return the inputs of a model: inferred, declared, or both, with the user's axes laid over them.

    Declared inputs that name a main input which the rules know are complete; others are added to the inferred ones.
    """
    config, model_class = blueprint.config, blueprint.model_class
    if model_class is not None and not (declared and completes(config, model_class, blueprint.task, declared)):
        return _overlaid(infer_inputs(config, model_class, blueprint.task, declared=declared), settings)
    if not declared:
        raise InputError(
            f"{blueprint.reference}: the inputs of {blueprint.class_name} are not known",
            hint="return (module, inputs) from the factory, with inputs={'x': TensorSpec('batch', 'time', 16)}",
        )
    return _overlaid(_declared_spec(blueprint, declared, settings), settings)


def _declared_spec(blueprint: Blueprint, declared: Declared, settings: Settings) -> InputSpec:
    if all(isinstance(value, TensorSpec) for value in declared.values()):
        return declare_inputs(declared)
    if blueprint.module is None:
        raise InputError(
            f"{blueprint.reference}: example tensors need a module to ask which sizes it takes",
            hint="declare the inputs with TensorSpecs",
        )
    examples = {name: value for name, value in declared.items() if isinstance(value, torch.Tensor)}
    if len(examples) < len(declared):
        raise InputError(
            f"{blueprint.reference}: inputs are declared by TensorSpecs and by example tensors at once",
            hint="declare all of them one way: an example tells no axis names that the other inputs could share",
        )
    return propose_axes(_acceptance(blueprint.module, examples, settings), examples)


def _acceptance(module: nn.Module, declared: Declared, settings: Settings) -> Any:
    names = tuple(declared)
    positional = Positional(module, names, keyword=takes_keywords(module, names))
    eager = Eager(positional.eval(), seed=settings.seed)

    def accepts(inputs: Mapping[str, torch.Tensor]) -> bool:
        try:
            eager(inputs)
        except Exception:
            return False
        return True

    return accepts


def _overlaid(spec: InputSpec, settings: Settings) -> InputSpec:
    axes = {name: narrowed(spec.axes[name], axis) for name, axis in settings.axes.items() if name in spec.axes}
    return spec.with_axes(axes)


def check_names(plans: list[CasePlan], settings: Settings) -> None:
    """Raise OptionError for an axis or input named by an option that no model has; unknown to one, it is ignored there."""
    known: dict[str, Axis] = {name: axis for plan in plans for name, axis in plan.spec.axes.items()}
    for name in (*settings.axes, *settings.anchor):
        if plans and name not in known:
            raise unknown_axis(name, known)
    inputs = {name for plan in plans for name in plan.spec}
    for name in settings.leave_out:
        if plans and name not in inputs:
            raise OptionError(f"input {name!r} does not exist", hint="the inputs are: " + ", ".join(sorted(inputs)))


#: Words in the name of a hyper-parameter that may be a window, block, stride or patch.
_WINDOWS = (
    "window",
    "block",
    "stride",
    "patch",
    "chunk",
    "segment",
    "kernel",
    "bucket",
    "local",
    "context",
    "group",
    "ratio",
)


def hyper_parameters(blueprint: Blueprint, module: nn.Module) -> Iterator[tuple[str, int]]:
    """Yield the integers a model was built with, by name: of its configuration, else of its own modules' attributes.

    They are sizes to avoid in an anchor, so that a constant tells its axis, and some are sizes worth trying.
    """
    if blueprint.config is not None:
        yield from _integers("", blueprint.config.to_dict())
        return
    for child in module.modules():
        if not type(child).__module__.startswith("torch."):
            yield from _integers("window", {key: value for key, value in vars(child).items() if key[0] != "_"})


def windows_of(parameters: Iterable[tuple[str, int]], limit: int = 8) -> tuple[int, ...]:
    """Return the integers that could be a window, block, stride or patch, the smaller ones first."""
    found = {value for name, value in parameters if any(word in name for word in _WINDOWS)}
    return tuple(sorted(found))[:limit]


def _integers(name: str, values: Any, depth: int = 0) -> Iterator[tuple[str, int]]:
    if isinstance(values, bool) or depth > 3:
        return
    if isinstance(values, int):
        if 1 < values <= 65536:
            yield name, values
    elif isinstance(values, Mapping):
        for key, value in values.items():
            if key not in ("label2id", "id2label"):
                yield from _integers(f"{name}.{key}", value, depth + 1)
    elif isinstance(values, (list, tuple)) and len(values) <= 32:
        for value in values:
            yield from _integers(name, value, depth + 1)
