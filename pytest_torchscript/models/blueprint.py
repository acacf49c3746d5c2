"""Decide what will be built, before any weights are touched: class, configuration, and where the weights come from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable

from torch import nn

from pytest_torchscript.errors import ModelError, unknown
from pytest_torchscript.models import hub
from pytest_torchscript.models.bundled import bundled_config
from pytest_torchscript.models.checkpoint import (
    CONFIG,
    config_from_dict,
    config_from_pretrained,
    read_config,
    read_json,
    require_weights,
)
from pytest_torchscript.models.construct import SEED
from pytest_torchscript.models.factory import call_factory
from pytest_torchscript.models.functions import name_of
from pytest_torchscript.models.holes import filled
from pytest_torchscript.models.reference import DIRECTORY, FACTORY, Reference, expand
from pytest_torchscript.models.shrink import Fault, shrink
from pytest_torchscript.models.tasks import (
    DEFAULT,
    checkpoint_task,
    config_for,
    model_class_for,
    remote_class,
    require_libraries,
    task_of,
)
from pytest_torchscript.settings import WEIGHTS, Settings
from pytest_torchscript.versions import library_name

#: What tells, for a task, why a tiny model does not run.
FaultOf = Callable[[str], Fault]

PRETRAINED, RANDOM, TINY, META, OWN = "pretrained", "random", "tiny", "meta", "own"


@dataclass(frozen=True)
class Blueprint:
    """What will be built. ``weights`` are those really used; ``directory`` holds checkpoint files on this machine.

    ``module`` and ``inputs`` are what a factory returned. ``fetch`` is the Hub id whose weights must still be fetched;
    ``fall_back`` says that failing to do so is no error but makes the weights up. ``twin`` is a module of the configuration
    that was built to shrink it, which nobody has called; it is for planning, and let go after.
    """

    reference: str
    config: Any = None
    model_class: type[Any] | None = None
    task: str = DEFAULT
    weights: str = PRETRAINED
    notes: tuple[str, ...] = ()
    directory: str | None = None
    module: nn.Module | None = None
    inputs: Any = None
    fetch: str | None = None
    fall_back: bool = False
    twin: nn.Module | None = None

    @property
    def class_name(self) -> str:
        """The class under test."""
        if self.model_class is not None:
            return self.model_class.__name__
        return name_of(self.module) if self.module is not None else ""


def plan_model(
    reference: Reference, settings: Settings, *, offline: bool = False, fault: FaultOf | None = None
) -> Blueprint:
    """Return what a reference stands for. Loads no weights; fetches at most a configuration, and nothing when offline.

    ``fault`` tells by task why a tiny model does not run: see `shrink_config`.

    Raises ModelError where the reference cannot be resolved.
    """
    if settings.weights not in WEIGHTS:
        raise unknown("weights", settings.weights, WEIGHTS)
    if reference.kind == FACTORY:
        changed: list[str] = []
        module, inputs = call_factory(
            reference.target,
            arguments=reference.arguments,
            keywords=reference.keywords,
            seed=SEED,
            told=changed.append,
        )
        planned = plan_module(module, reference.text, inputs=inputs, settings=settings, fault=fault)
        notes = (f"the factory changes {', '.join(changed)}: put back after it",) if changed else ()
        return replace(planned, notes=(*planned.notes, *notes))
    if reference.kind == DIRECTORY:
        return _finish(_plan_directory(reference, settings), settings, fault)
    return _finish(_plan_hub(reference, settings, offline=offline or settings.offline), settings, fault)


def plan_module(
    module: nn.Module,
    name: str,
    *,
    inputs: Any = None,
    settings: Settings | None = None,
    fault: FaultOf | None = None,
) -> Blueprint:
    """Return the blueprint of a module that is already there: a factory's, a fixture's, or one given to `check`.

    A transformers module is rebuilt from its configuration where the settings ask for random, tiny or meta weights; any
    other module is taken with the weights it has, or without any for meta. A setting that means nothing for it is noted.
    """
    config = _transformers_config(module)
    wanted = settings.weights if settings is not None else "auto"
    asked = settings.task if settings is not None else None
    blueprint = Blueprint(name, module=module, inputs=inputs, weights=META if _is_meta(module) else OWN)
    notes = []
    if config is None:
        if wanted in (RANDOM, TINY):
            notes.append(f"weights {wanted} asked for: a module of its own is checked with the weights it has")
        if asked not in (None, DEFAULT):
            notes.append(f"task {asked} asked for: a module of its own is called as it is")
        return replace(blueprint, weights=META if wanted == META else blueprint.weights, notes=tuple(notes))
    task = _task_of_class(config, type(module))
    if asked == f"{task}-with-past":  # the same class, called with its cache
        task = asked
    blueprint = replace(blueprint, config=config, model_class=type(module), task=task)
    if wanted in (RANDOM, TINY, META):
        return _finish(replace(blueprint, module=None, weights=wanted), settings or Settings(), fault)
    if asked not in (None, task):
        notes.append(f"task {asked} asked for: a module at hand is checked as the {type(module).__name__} it is")
    return replace(blueprint, notes=tuple(notes))


def _transformers_config(module: nn.Module) -> Any:
    import sys

    if "transformers.modeling_utils" not in sys.modules:  # a model of theirs cannot exist without it
        return None
    model_base = library_name("transformers", "PreTrainedModel", used_for="telling its models from others")
    config_base = library_name("transformers", "PreTrainedConfig", "PretrainedConfig", used_for="configurations")
    config = getattr(module, "config", None)
    return config if isinstance(module, model_base) and isinstance(config, config_base) else None


def _task_of_class(config: Any, model_class: type[Any]) -> str:
    import copy

    named = copy.copy(config)
    named.architectures = [model_class.__name__]
    return task_of(named)


def _is_meta(module: nn.Module) -> bool:
    return any(parameter.is_meta for parameter in module.parameters())


def _plan_directory(reference: Reference, settings: Settings) -> Blueprint:
    directory = expand(reference.text)
    config = read_config(directory, trust_remote_code=settings.trust_remote_code)
    weights = PRETRAINED if settings.weights == "auto" else settings.weights
    if weights == PRETRAINED:
        require_weights(directory)
    return Blueprint(reference.text, config=config, weights=weights, directory=directory)


def _plan_hub(reference: Reference, settings: Settings, *, offline: bool) -> Blueprint:
    identifier = reference.text
    directory = hub.cached_directory(identifier)
    blueprint = Blueprint(identifier, weights=settings.weights, directory=directory)
    if settings.weights in (RANDOM, TINY, META):
        return replace(blueprint, config=_any_config(identifier, settings, offline=offline))
    if hub.complete_directory(identifier) is not None and directory is not None:
        return replace(blueprint, config=_fetched_config(identifier, directory, settings), weights=PRETRAINED)
    answer = hub.Answer(hub.UNREACHABLE, "nothing is fetched now") if offline else hub.ask_hub(identifier)
    if answer.state == hub.ABSENT:
        raise _absent(identifier, answer)
    if answer.state == hub.OK:
        return _plan_fetch(blueprint, settings)
    if settings.weights == PRETRAINED and not offline:
        raise ModelError(
            f"{identifier}: its pretrained weights are not in the cache, and the Hugging Face Hub could not be reached "
            f"({answer.reason})",
            hint="connect to the network, or give --torchscript-weights random to check the architecture without them",
        )
    return _plan_without_hub(blueprint, settings, answer.reason)


def _plan_fetch(blueprint: Blueprint, settings: Settings) -> Blueprint:
    identifier = blueprint.reference
    auto = settings.weights == "auto"
    try:
        directory = hub.fetch_config(identifier)
    except OSError as error:
        if not auto:
            raise _unknown(identifier, str(error)) from None
        return _plan_without_hub(blueprint, settings, f"fetching its configuration failed: {error}")
    config = _fetched_config(identifier, directory, settings)
    return replace(blueprint, config=config, weights=PRETRAINED, directory=directory, fetch=identifier, fall_back=auto)


def _fetched_config(identifier: str, directory: str, settings: Settings) -> Any:
    """Return the configuration in a folder of the cache; its own code, where the user allows it, comes from the Hub."""
    if settings.trust_remote_code and "auto_map" in read_json(Path(directory, CONFIG)):
        return config_from_pretrained(identifier, trust_remote_code=True)
    return read_config(directory, trust_remote_code=settings.trust_remote_code)


def _plan_without_hub(blueprint: Blueprint, settings: Settings, reason: str) -> Blueprint:
    identifier = blueprint.reference
    local = _local_config(identifier, settings)
    if local is None:
        raise _unknown(identifier, reason)
    config, origin = local
    if settings.weights == PRETRAINED:
        return replace(blueprint, config=config, weights=PRETRAINED, fetch=identifier)
    return made_up(replace(blueprint, config=config), origin, reason)


def made_up(blueprint: Blueprint, origin: str, reason: str) -> Blueprint:
    """Return the blueprint with random weights, and the note that says so and why."""
    note = (
        f"weights are made up (random), not pretrained: the Hugging Face Hub could not be reached ({reason}) and the "
        f"cache does not hold them; built at full size from {origin}"
    )
    return replace(blueprint, weights=RANDOM, notes=(*blueprint.notes, note), fetch=None, fall_back=False)


def _any_config(identifier: str, settings: Settings, *, offline: bool) -> Any:
    local = _local_config(identifier, settings)
    if local is not None:
        return local[0]
    if offline:
        raise _unknown(identifier, "nothing is fetched now")
    answer = hub.ask_hub(identifier)
    if answer.state == hub.ABSENT:
        raise _absent(identifier, answer)
    if answer.state == hub.UNREACHABLE:
        raise _unknown(identifier, answer.reason)
    try:
        return _fetched_config(identifier, hub.fetch_config(identifier), settings)
    except OSError as error:
        raise _unknown(identifier, str(error)) from None


def _local_config(identifier: str, settings: Settings) -> tuple[Any, str] | None:
    """Return a configuration that is on this machine, and where it came from: the cache, else the package's own data."""
    directory = hub.cached_directory(identifier)
    if directory is not None:
        return _fetched_config(identifier, directory, settings), "its cached configuration"
    values = bundled_config(identifier)
    return (config_from_dict(identifier, values), "its bundled configuration") if values is not None else None


def _unknown(identifier: str, reason: str) -> ModelError:
    return ModelError(
        f"{identifier}: unknown model: no such directory, not in the Hub's cache, no bundled configuration, "
        f"and the Hugging Face Hub could not be reached ({reason})",
        hint="check the spelling, connect to the network, or give a checkpoint directory or package.module:factory",
    )


def _absent(identifier: str, answer: hub.Answer) -> ModelError:
    return ModelError(
        f"{identifier}: unknown model: no such directory, and {answer.reason}",
        hint="check the spelling; for a private or gated repository log in with: hf auth login",
    )


def _finish(blueprint: Blueprint, settings: Settings, fault: FaultOf | None = None) -> Blueprint:
    """Fill in task and class, and shrink the configuration of a tiny model."""
    config = blueprint.config
    task = settings.task or (blueprint.task if blueprint.model_class is not None else checkpoint_task(config))
    model_class = blueprint.model_class if settings.task is None else None
    if model_class is None and settings.trust_remote_code:
        model_class = remote_class(config, task, blueprint.fetch or blueprint.directory or blueprint.reference)
    if model_class is None:
        model_class = model_class_for(config, task)
    require_libraries(model_class)
    config = config_for(config, model_class)
    notes = blueprint.notes
    if blueprint.weights == PRETRAINED and settings.task is None:
        notes = (*notes, *_head_note(config, model_class))
    # What is filled is built, to see whether it can be.
    if blueprint.weights in (TINY, RANDOM) and not _too_many_layers(config):
        config, said = filled(config, model_class, shallow=blueprint.weights == TINY)
        notes = (*notes, *said)
    twin = None
    if blueprint.weights == TINY:
        config, twin = shrink(config, model_class, fault(task) if fault is not None else None)
    _require_layers(blueprint.reference, config)
    return replace(blueprint, task=task, config=config, model_class=model_class, notes=notes, twin=twin)


#: Of the models there are none has a tenth of this.
_MOST_LAYERS = 10_000


def _too_many_layers(config: Any) -> str:
    """Return what of a configuration nobody could build, as NAME=NUMBER; empty where there is nothing."""
    asked = ((name, value) for name, value in vars(config).items() if "layers" in name and isinstance(value, int))
    return next((f"{name}={value}" for name, value in asked if value > _MOST_LAYERS), "")


def _require_layers(reference: str, config: Any) -> None:
    """Raise ModelError for a configuration that nobody could build."""
    asked = _too_many_layers(config)
    if asked:
        raise ModelError(
            f"{reference}: its configuration asks for {asked}",
            hint=f"correct {CONFIG}, or give --torchscript-weights tiny to check the architecture",
        )


def _head_note(config: Any, model_class: type[Any]) -> tuple[str, ...]:
    """Say that a checkpoint has a head which the default task leaves out."""
    saved, task = next(iter(getattr(config, "architectures", None) or ()), ""), task_of(config)
    if task == DEFAULT or saved == model_class.__name__:
        return ()
    return (f"saved from {saved}, checked as {model_class.__name__}: for its head give --torchscript-task {task}",)
