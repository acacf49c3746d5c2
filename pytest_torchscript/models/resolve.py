"""Build what a blueprint describes: an eager model in eval mode, with its parameters counted."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import nn

from pytest_torchscript.common.copying import copy_module
from pytest_torchscript.errors import ModelError, first_line
from pytest_torchscript.models import hub
from pytest_torchscript.models.blueprint import META, PRETRAINED, Blueprint, made_up
from pytest_torchscript.models.checkpoint import load_pretrained
from pytest_torchscript.models.construct import build
from pytest_torchscript.models.functions import name_of
from pytest_torchscript.models.placing import device_of, dtype_name, dtype_of, placed
from pytest_torchscript.models.rescale import rescale_weights
from pytest_torchscript.settings import Settings


@dataclass(frozen=True)
class LoadedModel:
    """An eager model, ready to be checked. ``parameters`` counts tied ones once; ``asked_dtype`` and ``asked_device`` are
    what it was turned into and where it was moved to.
    """

    blueprint: Blueprint
    module: nn.Module
    parameters: int
    notes: tuple[str, ...] = ()
    asked_dtype: str | None = None
    asked_device: str | None = None

    @property
    def class_name(self) -> str:
        """The class under test; of a function its name."""
        return name_of(self.module)

    @property
    def device(self) -> str:
        """Where it is: ``cpu``, ``cuda:0``."""
        return str(device_of(self.module, self.asked_device or "cpu"))

    @property
    def dtype(self) -> str:
        """What it computes in: ``float32``."""
        return self.asked_dtype or dtype_name(dtype_of(self.module))


def build_model(blueprint: Blueprint, settings: Settings, *, beside: str | None = None) -> LoadedModel:
    """Return the model of a blueprint in eval mode, where and in what the settings say.

    ``beside`` is the device of the user's example tensors: a model that holds none of its own runs there. Raises ModelError
    where it cannot be built or loaded.
    """
    if blueprint.module is not None:
        loaded = _given(blueprint, blueprint.module)
    elif blueprint.weights == PRETRAINED:
        loaded = _pretrained(blueprint, settings)
    else:
        loaded = _made(blueprint)
    own = loaded.module is not blueprint.module
    device = None if blueprint.weights == META else settings.device
    module = placed(loaded.module, blueprint.reference, device=device, dtype=settings.dtype, own=own)
    return replace(loaded, module=module, asked_dtype=settings.dtype, asked_device=device or beside)


def count_parameters(module: nn.Module) -> int:
    """Return how many numbers a module's distinct parameters hold."""
    return sum(parameter.numel() for parameter in module.parameters())


def _given(blueprint: Blueprint, module: nn.Module) -> LoadedModel:
    notes = blueprint.notes
    if blueprint.weights == META:
        try:
            module = copy_module(module).to("meta")
        except Exception as error:
            raise ModelError(
                f"{blueprint.reference}: it cannot be had without weights: {first_line(error)}",
                hint="leave out --torchscript-weights meta",
            ) from None
    if module.training:
        module = copy_module(module).eval()  # the caller's own is left as it is
        notes = (*notes, "it was in training mode: checked in eval mode")
    return LoadedModel(blueprint, module, count_parameters(module), notes)


def _made(blueprint: Blueprint) -> LoadedModel:
    meta = blueprint.weights == META
    module = build(_class_of(blueprint), blueprint.config, meta=meta)
    if not meta:
        rescale_weights(module)
    return LoadedModel(blueprint, module, count_parameters(module), blueprint.notes)


def _pretrained(blueprint: Blueprint, settings: Settings) -> LoadedModel:
    directory: str | None = blueprint.directory
    if blueprint.fetch is not None:
        try:
            directory = hub.fetch_weights(blueprint.fetch)
        except OSError as error:
            if blueprint.fall_back:
                return _made(made_up(blueprint, "its configuration", f"fetching its weights failed: {error}"))
            raise ModelError(
                f"{blueprint.reference}: its weights cannot be fetched: {error}",
                hint="connect to the network, or give --torchscript-weights random",
            ) from None
    if directory is None:
        raise ModelError(f"{blueprint.reference}: no weights on this machine", hint="give --torchscript-weights random")
    extra = {"trust_remote_code": True} if settings.trust_remote_code else {}
    module, notes = load_pretrained(_class_of(blueprint), directory, blueprint.config, **extra)
    loaded = replace(blueprint, directory=directory)
    return LoadedModel(loaded, module.eval(), count_parameters(module), (*blueprint.notes, *notes))


def _class_of(blueprint: Blueprint) -> type[nn.Module]:
    if blueprint.model_class is None:
        raise ModelError(f"{blueprint.reference}: no class to build", hint="give --torchscript-task")
    return blueprint.model_class
