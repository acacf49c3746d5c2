"""Caches of past keys and values as flat inputs: their names and shapes, and the objects that models take instead.

The flat names are the same on every stack, whatever a release calls the object: ``past_key_values.<layer>.key`` and
``.value``; in encoder-decoders ``past_key_values.<layer>.decoder.key`` … and ``.encoder.key`` …, the second pair
holding what the decoder keeps of the encoder.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from pytest_torchscript.errors import InputError
from pytest_torchscript.spec import Axis, Dim, TensorSpec
from pytest_torchscript.versions import knows_cache_objects_alone, library_name

#: What `forward` may call its cache, the newer name first: transformers renamed it in 5.24.
KEYWORDS = ("cache", "past_key_values")
#: How the name of every flat cache begins.
CACHE_PREFIX = "past_key_values."

Pack = Callable[[Mapping[str, torch.Tensor]], dict[str, Any]]


def cache_keyword(parameters: Iterable[str]) -> str | None:
    """Return what a forward with these parameters calls its cache; None where it takes none."""
    taken = set(parameters)
    return next((name for name in KEYWORDS if name in taken), None)


def called_names(names: Iterable[str], model_class: type | None) -> tuple[str, ...]:
    """Return the keywords that a call gives for flat names: all flat caches enter as the one object."""
    keyword = _keyword_of(model_class)
    return tuple(dict.fromkeys(keyword if name.startswith(CACHE_PREFIX) else name for name in names))


def _keyword_of(model_class: type | None) -> str:
    """Return the cache's keyword; the older one where the signature tells neither, as ``**kwargs`` does."""
    forward = getattr(model_class, "forward", None)
    try:
        parameters = inspect.signature(forward).parameters if forward is not None else ()
    except (TypeError, ValueError):  # a scripted forward
        parameters = ()
    return cache_keyword(parameters) or KEYWORDS[-1]


def cache_inputs(
    config: Any, *, batch: Dim = "batch", past: Dim = "past_sequence", source: Dim | None = None
) -> dict[str, TensorSpec]:
    """Return the flat inputs of the cache of every layer: (batch, key heads, past, head size).

    With a `source`, the length of what an encoder made, there is a second pair as long as that.
    Raises InputError where the configuration does not tell layers, heads or sizes.
    """
    decoder = decoder_config(config)
    layers = _number(decoder, "decoder_layers", "num_decoder_layers", "num_hidden_layers", "n_layer")
    heads, size = _heads(decoder), _head_size(decoder)
    own = TensorSpec(batch, heads, past, size)
    if source is None:
        kinds = {"key": own, "value": own}
    else:
        cross = TensorSpec(batch, heads, source, size)
        kinds = {"decoder.key": own, "decoder.value": own, "encoder.key": cross, "encoder.value": cross}
    return {f"{CACHE_PREFIX}{layer}.{kind}": spec for layer in range(layers) for kind, spec in kinds.items()}


def decoder_config(config: Any) -> Any:
    """Return the configuration of the part that decodes text."""
    for name in ("decoder", "text_config"):
        nested = getattr(config, name, None)
        if hasattr(nested, "to_dict"):
            return decoder_config(nested)
    return config


def _number(config: Any, *names: str) -> int:
    for name in names:
        value = getattr(config, name, None)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    raise InputError(
        f"{type(config).__name__}: cannot infer the cache: the configuration has none of: {', '.join(names)}",
        hint="use the task without -with-past where the model keeps a state of another kind, or "
        f'declare every layer: {{"{CACHE_PREFIX}0.key": TensorSpec("batch", heads, "past_sequence", size), …}}',
    )


def _heads(config: Any) -> int:
    if getattr(config, "multi_query", False) and not getattr(config, "new_decoder_architecture", False):
        return 1
    return _number(
        config, "num_key_value_heads", "num_kv_heads", "decoder_attention_heads", "num_attention_heads", "n_head"
    )


def _head_size(config: Any) -> int:
    for name in ("d_kv", "head_dim"):
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            return value
    width = _number(config, "hidden_size", "d_model", "n_embd")
    return width // _number(config, "decoder_attention_heads", "num_attention_heads", "n_head")


def pack_for(config: Any, names: tuple[str, ...], *, model_class: type | None = None) -> Pack | None:
    """Return what joins the flat caches among the keywords of a call into the model's own object; None without any."""
    if not any(name.startswith(CACHE_PREFIX) for name in names):
        return None
    keyword = _keyword_of(model_class)
    if not _takes_tuples(model_class):  # a class that is gone is told here, not as a refusal of every call
        _cache_class("EncoderDecoderCache" if any(".decoder." in name for name in names) else "DynamicCache")

    def pack(named: Mapping[str, torch.Tensor]) -> dict[str, Any]:
        flat = {name: value for name, value in named.items() if name.startswith(CACHE_PREFIX)}
        others: dict[str, Any] = {name: value for name, value in named.items() if name not in flat}
        return {**others, keyword: pack_cache(config, flat, model_class=model_class)}

    return pack


def pack_cache(config: Any, flat: Mapping[str, torch.Tensor], *, model_class: type | None = None) -> Any:
    """Return the cache object, or the tuples, that the installed transformers' models take for flat tensors.

    Releases before 5 hold both kinds of models; `model_class` tells which kind this one is.
    """
    layers = _by_layer(flat)
    if _takes_tuples(model_class):
        return tuple(tuple(layer.values()) for layer in layers)
    if "key" in layers[0]:
        return _dynamic([(layer["key"], layer["value"]) for layer in layers], config)
    own = _dynamic([(layer["decoder.key"], layer["decoder.value"]) for layer in layers], config)
    cross = _dynamic([(layer["encoder.key"], layer["encoder.value"]) for layer in layers], None)
    return _cache_class("EncoderDecoderCache")(own, cross)


def _by_layer(flat: Mapping[str, torch.Tensor]) -> list[dict[str, torch.Tensor]]:
    layers: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in flat.items():
        number, _, kind = name[len(CACHE_PREFIX) :].partition(".")
        layers.setdefault(int(number), {})[kind] = value
    return [layers[number] for number in sorted(layers)]


def _takes_tuples(model_class: type | None) -> bool:
    """Whether a model still takes tuples of tensors."""
    if knows_cache_objects_alone():
        return False
    return not getattr(model_class, "_supports_cache_class", model_class is None)


def _cache_class(name: str) -> Any:
    return library_name("transformers.cache_utils", name, used_for="caches of past keys and values")


def _dynamic(pairs: list[tuple[torch.Tensor, torch.Tensor]], config: Any) -> Any:
    made = _cache_class("DynamicCache")
    # With a configuration the cache knows which layers slide, as the one that eager makes for itself does.
    knows = config is not None and "config" in inspect.signature(made.__init__).parameters
    cache = made(config=decoder_config(config)) if knows else made()
    if len(getattr(cache, "layers", ())) not in (0, len(pairs)):  # the encoder's layers, where only the decoder is used
        cache = made()
    for number, (key, value) in enumerate(pairs):
        cache.update(key, value, number)
    return cache


def past_axes(longest: int) -> tuple[Axis, Axis]:
    """Return the axes of new and past tokens: together they never outgrow the positions the model has."""
    new = max(1, longest // 2)
    return Axis("sequence", max=new), Axis("past_sequence", max=max(1, longest - new))
