"""Build a module from its class and configuration: with weights made up, or with none at all."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Iterator
from typing import Any, Callable

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from pytest_torchscript.common.seeding import seeded
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import MissingLibraryError, ModelError, first_line
from pytest_torchscript.versions import library_name

#: Every process builds equal weights.
SEED = 20_240


#: No position, frequency or mask that is computed while a model is built has more elements than this.
_MOST_COMPUTED = 2**27

#: What fills a parameter, by name: of torch, or what transformers puts in its place.
_INITIALISERS = frozenset(name for name in vars(nn.init) if name.endswith("_") and not name.startswith("_"))


class NoMetaError(ModelError):
    """A class that computes with its weights while it is built, by an operator that has no form without values."""


class _EmptyTensors(TorchFunctionMode):
    """Changes what ``torch.empty`` returns: on meta, as are zeros so many that they are weights, or filled with NaN so that
    uninitialised memory is seen.

    Parameters are made by ``torch.empty`` and then filled; what is computed (positions, frequencies, drop rates) is not.
    """

    def __init__(self, change: Callable[[dict[str, Any]], float | None]) -> None:
        super().__init__()
        self.change = change

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch._weight_norm and args[0].is_meta:  # torch 1.13 has no kernel of it for meta
            return torch.empty_like(args[0])
        if getattr(func, "__name__", "") in _INITIALISERS and (filled := args[0] if args else kwargs["tensor"]).is_meta:
            return filled  # random numbers that meta does not hold take half the time of building a model
        if func is torch.zeros and _count(args) > _MOST_COMPUTED:  # a parameter, of whatever it is made
            self.change(kwargs)
        if func is not torch.empty:
            return func(*args, **kwargs)
        fill = self.change(kwargs)
        made = func(*args, **kwargs)
        return made.fill_(fill) if fill is not None and made.is_floating_point() else made


def _count(sizes: tuple[Any, ...]) -> int:
    """Return how many elements a tensor has whose sizes are given one by one or as one argument."""
    whole = sizes[0] if sizes and isinstance(sizes[0], (tuple, list)) else sizes
    return math.prod(size for size in whole if isinstance(size, int))


def _on_meta(kwargs: dict[str, Any]) -> float | None:
    kwargs["device"] = torch.device("meta")
    return None


def _as_nan(kwargs: dict[str, Any]) -> float | None:  # noqa: ARG001
    return float("nan")


def build(model_class: type[Any], config: Any, *, meta: bool = False) -> nn.Module:
    """Return a module of a class in float32 and eval mode, initialised by itself under a fixed seed.

    With ``meta`` no weights are allocated. The configuration is copied. Parameters that the class leaves
    uninitialised come back as NaN. Gradients are off, or weights that are computed from others could not be copied.
    Raises ModelError with the reason of a class that cannot be built.
    """
    config = float32_config(config)
    try:
        with quiet(), seeded(SEED), torch.no_grad(), _EmptyTensors(_on_meta if meta else _as_nan), _float32():
            module: nn.Module = model_class(config)
            module = module.to("meta") if meta else module
    except Exception as error:  # a model's constructor may raise anything
        raise _build_error(model_class, error, meta=meta) from None
    return module.eval()


def float32_config(config: Any) -> Any:
    """Copy a configuration with float32 everywhere: parts built from a sub-configuration follow its dtype, not ours."""
    config = copy.deepcopy(config)
    for each in sub_configs(config):
        for name in ("dtype", "torch_dtype"):
            if name in vars(each):
                setattr(each, name, torch.float32)
    return config


def sub_configs(config: Any) -> Iterator[Any]:
    """Yield a configuration and every configuration inside it."""
    base = library_name("transformers", "PreTrainedConfig", "PretrainedConfig", used_for="configurations")
    yield config
    for value in list(vars(config).values()):
        if isinstance(value, base):
            yield from sub_configs(value)


@contextlib.contextmanager
def _float32() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def require_buildable(model_class: type[Any], config: Any) -> nn.Module | None:
    """Return the module without weights, or None where that form does not exist. Raises ModelError for a bad configuration.

    Loading would blame the file of weights for what the configuration says.
    """
    try:
        return build(model_class, config, meta=True)
    except NoMetaError:
        return None


def import_error(name: str, error: ImportError) -> ModelError:
    """Say what a class could not import: a library that is not there is no fault of the model."""
    absent = isinstance(error, ModuleNotFoundError) or "not found in your environment" in str(error)
    kind = MissingLibraryError if absent else ModelError
    return kind(f"{name}: cannot be built: {first_line(error)}", hint="install what the model needs")


def _build_error(model_class: type[Any], error: BaseException, *, meta: bool) -> ModelError:
    name = model_class.__name__
    if isinstance(error, ImportError):
        return import_error(name, error)
    if meta and (isinstance(error, NotImplementedError) or "meta" in str(error).lower()):
        return NoMetaError(
            f"{name}: cannot be built without weights: {first_line(error)}",
            hint="give --torchscript-weights tiny or random instead of meta",
        )
    return ModelError(
        f"{name}: cannot be built from its configuration: {first_line(error)}",
        hint="check the values in config.json, or the keywords that the configuration was made with",
    )
