"""From a reference and settings to a lab, in two steps: what is known at collection, and what takes the weights."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from pytest_torchscript.backends.base import Backend
from pytest_torchscript.backends.registry import DEFAULT, make_backend
from pytest_torchscript.common.copying import copy_module
from pytest_torchscript.common.fresh_process import FreshProcess
from pytest_torchscript.common.phases import BUILD, RESOLVE, phase
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import InputError, ModelError, OptionError, first_line
from pytest_torchscript.form import Form, shortened, type_name
from pytest_torchscript.inputs.declare import ByPlace, Declared, Inputs, propose_axes, read_inputs
from pytest_torchscript.inputs.discover import Asked, described, required, search
from pytest_torchscript.inputs.dtype import follow
from pytest_torchscript.inputs.infer import call_defaults, completes, infer_inputs
from pytest_torchscript.inputs.reading import read_signature
from pytest_torchscript.lab.artifact_inputs import fit_to_file
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.subject import Subject, by_keyword
from pytest_torchscript.lab.twin import Twin, fault_of
from pytest_torchscript.models.blueprint import META, TINY, Blueprint, plan_model, plan_module
from pytest_torchscript.models.calling import Positional, names_by_place
from pytest_torchscript.models.eager import Eager
from pytest_torchscript.models.functions import as_module, call_parameters, is_model, name_of
from pytest_torchscript.models.placing import device_of, dtype_of, in_dtype, outline_of
from pytest_torchscript.models.reference import Reference, parse_reference
from pytest_torchscript.models.resolve import build_model
from pytest_torchscript.models.weights import KeptWeights
from pytest_torchscript.outputs import tensor_leaves
from pytest_torchscript.results import Outline
from pytest_torchscript.settings import Settings
from pytest_torchscript.spec import InputSpec, narrowed, unknown_axis


@dataclass(frozen=True)
class ModelPlan:
    """What is known before any weight is loaded: the model's blueprint, its inputs, and its axes."""

    reference: str
    blueprint: Blueprint
    spec: InputSpec
    settings: Settings
    prefix: str
    #: Where the user's example tensors are, if not on the CPU.
    examples_on: str | None = None

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the axes, in the order of the inputs; declared fixed ones included."""
        return tuple(self.spec.axes)

    @property
    def outline(self) -> Outline:
        """What a run has to know of it before its tests."""
        ranges = {name: (axis.min, axis.max) for name, axis in self.spec.axes.items()}
        blueprint = self.blueprint
        return Outline(ranges, tuple(self.spec), blueprint.task, blueprint.class_name, blueprint.weights)

    @quiet()
    def load(
        self,
        backend: str = DEFAULT,
        *,
        beside: Lab | None = None,
        using: Backend | None = None,
        fresh: FreshProcess | None = None,
    ) -> Lab:
        """Load the model for one backend. ``beside``: the same plan on another backend, whose model and eager are shared.

        ``using`` is that backend, where it was made and asked already. ``fresh`` is a run's, for all of its models; without
        it this model has one of its own.
        """
        fresh = fresh or (beside.fresh if beside is not None else FreshProcess())
        if beside is not None and self.settings.artifact is None:
            other = using or make_backend(backend, self.settings)
            return Lab(beside.subject, other, self.prefix, label=self.reference, fresh=fresh)
        blueprint = self.blueprint
        constants: Mapping[str, Any] = {}
        if blueprint.config is not None and blueprint.model_class is not None:
            constants = call_defaults(blueprint.config, blueprint.model_class, blueprint.task)
        constants = {name: value for name, value in constants.items() if name not in self.spec.form.arguments}
        with phase(BUILD, self.reference):
            loaded = build_model(blueprint, self.settings, beside=self.examples_on)
        brought = self.examples_on not in (None, loaded.device)
        moved = [f"the example tensors are on {self.examples_on}, and brought to {loaded.device}"] if brought else []
        loaded = replace(loaded, notes=(*loaded.notes, *moved, *form_notes(self.spec)))
        spec = self.spec.without(*self.settings.leave_out)
        exporter: Backend | None = None
        if self.settings.artifact is not None:
            exporter, spec, notes = fit_to_file(self.settings.artifact, spec)
            loaded = replace(loaded, notes=(*loaded.notes, *notes))
        parameters = tuple(hyper_parameters(blueprint, loaded.module))
        subject = Subject(
            loaded,
            spec,
            self.settings,
            numbers=tuple(sorted({value for _, value in parameters})),
            windows=windows_of(parameters),
            constants=constants,
        )
        subject.module  # noqa: B018 - what cannot be called is told here, once
        return Lab(
            subject,
            exporter or using or make_backend(backend, self.settings),
            self.prefix,
            label=self.reference,
            fresh=fresh,
        )


def form_notes(spec: InputSpec) -> tuple[str, ...]:
    """Return what is to be said of the inputs' form: constants, what is nested, and how values may be drawn."""
    notes = []
    constants = [f"{name}={shortened(value)}" for name, value in spec.form.constants if value is not None]
    left_out = [name for name, value in spec.form.constants if value is None]
    if left_out:
        notes.append(f"{', '.join(left_out)} given as None: the export is made without, and answers for nothing else")
    if constants:
        one = len(constants) == 1
        which, for_which = ("is a constant", "value") if one else ("are constants", "values")
        notes.append(f"{', '.join(constants)} {which} of the export: it answers for no other {for_which}")
    if spec.form.nested:
        notes.append(
            f"nested inputs are flat in the export, and put together again inside: {', '.join(spec.form.nested)}"
        )
    return (*notes, *spec.notes)


@quiet()
def make_plan(
    reference: Any,
    settings: Settings,
    *,
    inputs: Inputs | None = None,
    name: str | None = None,
    offline: bool = False,
    origin: str = "",
    ask: Callable[[Blueprint], Inputs | None] | None = None,
) -> ModelPlan:
    """Plan the checks of one model: a reference, as text or parsed, or a module or a function at hand.

    ``inputs`` are declared ones: see `read_inputs`; ``origin`` says in messages where they stand. Where neither they nor a
    factory's own are given, ``ask`` is asked for those of a reference, once its configuration is known. ``name`` is what
    messages and the report call the model.
    Raises ModelError, InputError or OptionError.
    """
    if isinstance(reference, (str, Reference)):
        parsed = parse_reference(reference) if isinstance(reference, str) else reference
        with phase(RESOLVE, parsed.text):
            blueprint = plan_model(parsed, settings, offline=offline, fault=fault_of)
        if inputs is None and blueprint.inputs is None and ask is not None:
            inputs, origin = ask(blueprint), "the inputs of the hook pytest_torchscript_inputs"
    else:
        if not is_model(reference):
            what = f"the class {reference.__name__}" if isinstance(reference, type) else type_name(reference)
            raise ModelError(
                f"{what} is not a model",
                hint="give an nn.Module, a function, or a reference such as 'bert-base-uncased'",
            )
        module = as_module(reference)
        blueprint = plan_module(module, name or name_of(module), settings=settings, fault=fault_of)
    label = name or blueprint.reference
    if inputs is None and blueprint.inputs is not None:
        origin = "the inputs that the factory returned"
    where = f"{label}: {origin or 'the inputs given'}"
    with phase(RESOLVE, f"inputs of {label}"):
        spec = resolve_inputs(blueprint, settings, blueprint.inputs if inputs is None else inputs, origin=where)
    spec = _in_its_dtype(spec, blueprint, settings)
    given = [leaf.device for _, leaf in tensor_leaves(blueprint.inputs if inputs is None else inputs)]
    examples_on = next((str(device) for device in given if device.type not in ("cpu", "meta")), None)
    return ModelPlan(label, replace(blueprint, twin=None), spec, settings, f"torchscript::{label}", examples_on)


def resolve_inputs(
    blueprint: Blueprint, settings: Settings, inputs: Inputs | None, *, origin: str = "inputs"
) -> InputSpec:
    """Return the inputs of a model: inferred, declared, or both, with the user's axes laid over them.

    Declared inputs that name a main input which the rules know are complete; others are added to the inferred ones.
    ``origin`` begins the message of an input that cannot be taken.
    """
    config, model_class, task = blueprint.config, blueprint.model_class, blueprint.task
    declared: Declared | None = None
    if inputs is not None:
        try:
            declared = read_inputs(inputs, _naming(blueprint), joined=model_class is not None)
            whole = model_class is None or completes(config, model_class, task, declared.form.arguments)
            if model_class is not None and declared.examples:
                spec = infer_inputs(config, model_class, task, declared=declared, complete=whole)
                return _overlaid(spec, settings)
            if whole:
                return _overlaid(_declared_spec(blueprint, inputs, declared, settings), settings)
        except InputError as error:
            raise InputError(f"{origin}: {error.message}", evidence=error.evidence, hint=error.hint) from None
    if model_class is not None:
        twin = Twin(blueprint)
        try:
            spec = infer_inputs(config, model_class, task, declared=declared, ask=twin.rows)
        except InputError:
            if declared is not None or task.endswith("-with-past"):
                raise
            asked = twin.laid_out() or twin.asked(settings)
            if asked is None:
                raise
            spec = asked
        else:
            if (
                declared is None
                and blueprint.weights == TINY
                and not task.endswith("-with-past")
                and twin.refuses(spec)
            ):
                spec = twin.laid_out() or twin.alone() or twin.asked(settings) or spec
        return _overlaid(spec, settings)
    return _overlaid(_found_spec(blueprint, settings), settings)


def _in_its_dtype(spec: InputSpec, blueprint: Blueprint, settings: Settings) -> InputSpec:
    """Return inputs in the dtype that the model will compute in: all of them where the user asked for one, else those that
    declare none."""
    if settings.dtype is not None:
        return follow(spec, getattr(torch, settings.dtype), declared=True)
    own = dtype_of(blueprint.module) if blueprint.module is not None else torch.float32
    return spec if own is torch.float32 else follow(spec, own, declared=False)


def _found_spec(blueprint: Blueprint, settings: Settings) -> InputSpec:
    """Return the inputs that a module nobody described turns out to take."""
    parameters = call_parameters(blueprint.module) if blueprint.module is not None else None
    names = required(parameters or {})
    shown = ", ".join(str(parameter).replace("'", "") for parameter in (parameters or {}).values())
    refused = f"{blueprint.reference}: the inputs of {blueprint.class_name} are not known, and could not be found"
    hint = "return (module, inputs) from a factory, with inputs={'x': TensorSpec('batch', 'time', 16)}"
    if blueprint.module is None or parameters is None or not names:
        raise InputError(f"{refused}: its forward({shown}) names no input", hint=hint)
    offered = _offered(blueprint.module)
    if offered is not None:
        return _declared_spec(blueprint, offered, read_inputs(offered, _naming(blueprint)), settings)
    module = copy_module(blueprint.module).eval()
    if dtype_of(module) is not torch.float32:  # what is tried is in float32
        module = in_dtype(copy_module(module, share=False), torch.float32)
    # By place where that can be: on torch before 2.0 a layer that is watched sees no keywords.
    by_keyword_alone = [name for name in names if parameters[name].kind is inspect.Parameter.KEYWORD_ONLY]

    def call(module: nn.Module, arguments: Mapping[str, Any], *, device: torch.device) -> None:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            here = {name: _brought(value, device) for name, value in arguments.items()}
            placed = [value for name, value in here.items() if name not in by_keyword_alone]
            module(*placed, **{name: here[name] for name in by_keyword_alone})

    def outline() -> Asked | None:
        on_meta = outline_of(module)
        return Asked(on_meta, partial(call, on_meta, device=torch.device("meta"))) if on_meta is not None else None

    asked = Asked(module, partial(call, module, device=device_of(module)))
    kept = KeptWeights(module)
    with kept.watching():
        guesses, state = search(asked, names, outline=outline, sides=_sides(module))
        if guesses is None and state.outlines:  # it may refuse on meta what it takes elsewhere
            guesses, state = search(asked, names, sides=_sides(module))
        spec = described(guesses, state) if guesses is not None else None
    kept.put_back()  # they are the user's own
    if spec is not None:
        return spec
    tried = list(state.tried.items())
    raise InputError(
        f"{refused}: forward({shown})",
        evidence=[f"eager refused all that was tried in {state.calls} calls, such as"]
        + [f"{what}: {said}" for what, said in (tried[:1] + tried[-1:] if len(tried) > 1 else tried)],
        hint=hint,
    )


def _brought(value: Any, device: torch.device) -> Any:
    """Return a tensor, or a container of some, on a device."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    return type(value)(_brought(part, device) for part in value) if type(value) in (tuple, list) else value


def _sides(module: nn.Module) -> tuple[tuple[int, int], ...]:
    """Return heights and widths that a model says it is made for: timm's configuration, or attributes of these names."""
    found = []
    for holder in (module, *list(module.modules())[1:8]):
        for values in (getattr(holder, "pretrained_cfg", None), getattr(holder, "default_cfg", None), vars(holder)):
            for name in ("input_size", "img_size", "image_size", "spatial_size"):
                size = values.get(name) if isinstance(values, Mapping) else None
                size = (size, size) if isinstance(size, int) else size
                if (
                    isinstance(size, (tuple, list))
                    and len(size) > 1
                    and all(isinstance(each, int) for each in size[-2:])
                ):
                    found.append((size[-2], size[-1]))
    return tuple(dict.fromkeys(found))


def _offered(module: nn.Module) -> Inputs | None:
    """Return the inputs that a module offers for the purpose: Lightning's and diffusers' attributes of these names."""
    for name in ("example_input_array", "dummy_inputs"):
        try:
            value = getattr(module, name, None)
            if value is not None and read_inputs(value).examples:
                offered: Inputs = value
                return offered
        except Exception:
            continue  # a property that fails offers nothing
    return None


def _naming(blueprint: Blueprint) -> ByPlace:
    """Return what names the arguments that are given by place."""
    if blueprint.module is not None:
        return partial(names_by_place, call_parameters(blueprint.module))
    return partial(names_by_place, read_signature(blueprint.model_class) if blueprint.model_class else None)


def _declared_spec(blueprint: Blueprint, inputs: Inputs, declared: Declared, settings: Settings) -> InputSpec:
    """Return inputs that are declared in full: as they are, or with the axes that eager is found to take."""
    if isinstance(inputs, InputSpec):
        return inputs
    examples = declared.examples
    if not examples:
        return InputSpec(declared.specs, form=declared.form)
    if declared.specs:
        raise InputError(
            f"TensorSpecs ({', '.join(declared.specs)}) and example tensors ({', '.join(examples)}) are given at once",
            hint="declare all of them one way: an example tells no axis names that the other inputs could share",
        )
    if blueprint.module is None:
        raise InputError(
            "example tensors need a module that is at hand, to ask which sizes it takes",
            hint="declare the inputs with TensorSpecs, or return (module, inputs) from a factory",
        )
    keyword = by_keyword(blueprint.module, declared.form)
    # In eval mode, and not the user's own module: it is only asked.
    asked = copy_module(Positional(blueprint.module, tuple(examples), form=declared.form, keyword=keyword)).eval()
    eager = Eager(asked, seed=settings.seed)
    on_meta = blueprint.weights == META

    def refusal(tensors: Mapping[str, torch.Tensor]) -> str:
        try:
            eager({name: value.to("meta") for name, value in tensors.items()} if on_meta else tensors)
        except Exception as error:
            return first_line(error)
        return ""

    said = refusal(examples)
    if said:
        shapes = ", ".join(f"{name} {tuple(value.shape)}" for name, value in examples.items())
        raise InputError(
            f"eager refuses the example tensors themselves: {shapes}",
            evidence=[said],
            hint=_fitting_names(blueprint.module, declared.form)
            or "call the model with them first: they must be the arguments of one call",
        )
    return propose_axes(lambda tensors: not refusal(tensors), examples, form=declared.form, seed=settings.seed)


def _fitting_names(module: nn.Module, form: Form) -> str:
    """Return a hint where inputs are named as no parameter is; empty where the names fit, or where none are known."""
    parameters = call_parameters(module)
    if parameters is None or form.positional or by_keyword(module, form):
        return ""
    return (
        f"the model takes {', '.join(parameters) or 'nothing'}, and the inputs are named {', '.join(form.arguments)}: "
        'a dict that is one argument stands under its name, as in {"batch": {"x": …}}'
    )


def _overlaid(spec: InputSpec, settings: Settings) -> InputSpec:
    axes = {name: narrowed(spec.axes[name], axis) for name, axis in settings.axes.items() if name in spec.axes}
    return spec.with_axes(axes)


def check_names(outlines: Sequence[Outline], settings: Settings) -> None:
    """Raise OptionError for an axis or input named by an option that no model has; unknown to one, it is ignored there."""
    known = {name: axis for outline in outlines for name, axis in outline.ranges.items()}
    for name in (*settings.axes, *settings.anchor):
        if outlines and name not in known:
            raise unknown_axis(name, known)
    inputs = {name for outline in outlines for name in outline.inputs}
    for name in settings.leave_out:
        if outlines and name not in inputs:
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
