"""Fill what a configuration leaves at None, or empty, though its class needs it: as its documentation says, or a small number.

Classes of configurations are written for checkpoints, which state these; one that is made by default, or cut down by hand, does
not. What was put in is told, and weights that were trained are never built so.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import ModelError
from pytest_torchscript.models.construct import NoMetaError, build, sub_configs
from pytest_torchscript.models.shrink import apply
from pytest_torchscript.models.shrink_rules import is_depth, propose

_EXPERTS, _CHOSEN, _WINDOW = 8, 2, 128
#: Steps to predict, and ids of a vocabulary, where nothing says how many.
_STEPS, _VOCABULARY = 24, 1024


def _heads(config: Any) -> int | None:
    return getattr(config, "num_attention_heads", None)


def _width_of_a_head(config: Any) -> int | None:
    width, heads = getattr(config, "hidden_size", None), _heads(config)
    return width // heads if width and heads else None


def _plain_layers(config: Any) -> list[str] | None:
    layers = getattr(config, "num_hidden_layers", None)
    return ["full_attention"] * layers if layers else None


def _dense_layers(config: Any) -> list[str] | None:
    """One dense layer, and experts in the others."""
    layers = getattr(config, "num_hidden_layers", None)
    return ["dense", *["sparse"] * (layers - 1)] if layers else None


#: What is put in where the class cannot be built without.
_TO_BUILD: Mapping[str, Callable[[Any], Any]] = {
    "head_dim": _width_of_a_head,
    "num_key_value_heads": _heads,
    "layer_types": _plain_layers,
    "mlp_layer_types": _dense_layers,
    "prediction_length": lambda _: _STEPS,
    "context_length": lambda config: getattr(config, "prediction_length", None),
    "vocab_size": lambda _: _VOCABULARY,
    "num_experts": lambda _: _EXPERTS,
    "n_routed_experts": lambda _: _EXPERTS,
    "n_shared_experts": lambda _: 1,
    "moe_intermediate_size": lambda config: getattr(config, "intermediate_size", None),
    "n_group": lambda _: 1,
    "topk_group": lambda _: 1,
}


def _last_id(place: int) -> Callable[[Any], int | None]:
    def found(config: Any) -> int | None:
        sizes = [getattr(part, "vocab_size", None) for part in sub_configs(config)]
        known = [size for size in sizes if isinstance(size, int)]
        return max(known) - place if known else None

    return found


def _experts(config: Any) -> int | None:
    names = ("n_routed_experts", "num_experts", "num_local_experts")
    return _CHOSEN if any(getattr(config, name, None) for name in names) else None


def _first_language(config: Any) -> str | None:
    return next(iter(getattr(config, "languages", None) or ()), None)


def _window(config: Any) -> int | None:
    return _WINDOW if "sliding_attention" in (getattr(config, "layer_types", None) or ()) else None


#: What is put in wherever it is missing: the class is built without, and fails when called.
_TO_RUN: Mapping[str, Callable[[Any], Any]] = {
    "num_experts_per_tok": _experts,
    "top_k_experts": _experts,
    "sliding_window": _window,
    "default_language": _first_language,
    "image_token_id": _last_id(2),
    "image_token_index": _last_id(2),
    "video_token_index": _last_id(2),
    "audio_token_id": _last_id(3),
    "projector_scale_factors": lambda _: [1.0],
}


#: What configurations lack altogether though their class reads it.
_ABSENT: Mapping[str, Callable[[Any], Any]] = {"vision_start_token_id": _last_id(4)}

#: How a configuration leaves open what it must say.
_HOLES: tuple[Any, ...] = (None, [], ())

#: What goes with a vocabulary that was put in: embeddings that count from the padding need no other id.
_IDS = {"pad_token_id": 0, "mask_token_id": 1}


def filled(config: Any, model_class: type[Any], *, shallow: bool = False) -> tuple[Any, tuple[str, ...]]:
    """Return a configuration that its class can be built and called from, and a note of what was put into it.

    The same configuration comes back where nothing is missing, or where nothing known helps. ``shallow``: whether it can be
    built is seen on few of its layers, for no more will be.
    """
    found, said = _put_in(config, _TO_RUN)
    for name, value_for in _ABSENT.items():
        if not hasattr(found, name) and _reads(model_class, name) and (value := value_for(found)) is not None:
            setattr(found, name, value)
            said.append(f"{name}={value}")
    if not (shallow and _builds(_of_few_layers(found), model_class)) and not _builds(found, model_class):
        tables = [{name: _TO_BUILD[name]} for name in _missing(found)]
        for table in [*tables, {**_TO_BUILD, **_TO_RUN}]:  # one that is enough, else all
            more, told = _put_in(found, table)
            if _builds(more, model_class):
                found, said = more, [*said, *told]
                break
    note = f"the configuration leaves at None, or empty, what the model needs, and was filled: {', '.join(said)}"
    return (apply(found, ()), (note,)) if said else (config, ())


def _of_few_layers(config: Any) -> Any:
    return apply(config, [change for change in propose(config) if is_depth(change)])


def _reads(model_class: type[Any], name: str) -> bool:
    """Whether a method of a class names an attribute."""
    methods = (vars(base).values() for base in model_class.__mro__)
    codes = (getattr(inspect.unwrap(each), "__code__", None) for group in methods for each in group if callable(each))
    return any(name in code.co_names for code in codes if code is not None)


def _missing(config: Any) -> list[str]:
    empty = {name for part in sub_configs(config) for name, value in vars(part).items() if value is None}
    return [name for name in _TO_BUILD if name in empty]


def _put_in(config: Any, table: Mapping[str, Callable[[Any], Any]]) -> tuple[Any, list[str]]:
    made, said = copy.deepcopy(config), []
    for part in sub_configs(made):
        for name, value_for in table.items():
            if name not in vars(part) or vars(part)[name] not in _HOLES:
                continue
            value = value_for(made if "token" in name else part)
            if value is not None:
                setattr(part, name, value)
                said.append(f"{name}={value if not isinstance(value, list) else value[0]}")
                for other, number in _IDS.items() if name == "vocab_size" else ():
                    if getattr(part, other, 0) is None:
                        setattr(part, other, number)
    return made, list(dict.fromkeys(said))


def _builds(config: Any, model_class: type[Any]) -> bool:
    try:
        with quiet():
            build(model_class, config, meta=True)
    except NoMetaError:
        return True
    except ModelError:
        return False
    return True
