"""One forward pass of a freshly built model, to see the scale of what it computes. Best effort: None where it cannot run.

What a check feeds is inferred elsewhere; here the main input alone is enough, and a model that wants more is not probed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Callable

import torch
from torch import nn

from pytest_torchscript.common.copying import copy_module
from pytest_torchscript.common.seeding import seeded
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import first_line
from pytest_torchscript.models.weights import KeptWeights, are_many
from pytest_torchscript.outputs import tensor_leaves

_BATCH, _LENGTH, _SAMPLES, _IMAGE = 2, 8, 4000, 224
#: A leaf of this size holds fills (finfo.min), which say nothing about scale.
_FILL = 1e30


@dataclass(frozen=True)
class Response:
    """What one pass on a batch of different samples gave back.

    ``scale`` is the largest magnitude, infinite where an output is not finite; ``spread`` is how far the samples of the
    batch differ, as a share of the scale of the leaf that shows it best.
    """

    scale: float
    spread: float


def run_probe(module: nn.Module, *, seed: int, watch: Callable[[nn.Module], None] | None = None) -> Response | None:
    """Return how a module responds to a made-up batch; None where no such batch runs.

    Runs a copy, because some models change themselves when called. ``watch`` is given that copy
    before the pass, to put hooks on it.
    """
    for inputs in _inputs(module, seed):
        copy = _copied(module)
        if watch is not None:
            watch(copy)
        try:
            with quiet(), seeded(seed), torch.no_grad(), _written_to_no_more(module):
                return _response(copy(**inputs))
        except Exception:  # it wants other inputs, other sizes, or more of them
            continue
    return None


def _copied(module: nn.Module) -> Any:
    """Copy a module with its cache of keys and values off: some of them need a newer torch than the model does."""
    copy = copy_module(module, share=are_many(module))
    if getattr(getattr(copy, "config", None), "use_cache", None):
        copy.config.use_cache = False
    return copy


@contextmanager
def _written_to_no_more(module: nn.Module) -> Iterator[None]:
    """Put the weights back where a call wrote to them (RWKV): a copy that shares them, for they are many, may."""
    kept = KeptWeights(module) if are_many(module) else None
    with kept.watching() if kept is not None else nullcontext():
        try:
            yield
        finally:
            if kept is not None:
                kept.put_back()


def probe_error(module: nn.Module, *, seed: int) -> str | None:
    """Return why a module cannot compute what it is fed; None where it can, or where we cannot feed it.

    A missing or unfit input is our ignorance; a shape that does not fit another is a fault of the module. What the last of the
    inputs says counts: pictures come before the text alone.
    """
    fault = None
    for inputs in _inputs(module, seed):
        try:
            with quiet(), seeded(seed), torch.no_grad(), _written_to_no_more(module):
                _copied(module)(**inputs)
        except (RuntimeError, IndexError, AssertionError) as error:
            fault = first_line(error)
        except Exception:  # it asks for something else
            fault = None
        else:
            return None
    return fault


def _response(output: Any) -> Response:
    leaves = [leaf.float() for _, leaf in tensor_leaves(output) if leaf.is_floating_point() and leaf.numel()]
    if not all(torch.isfinite(leaf).all() for leaf in leaves):
        return Response(math.inf, 0.0)
    scales = [_magnitude(leaf) for leaf in leaves]
    batches = [(leaf, scale) for leaf, scale in zip(leaves, scales) if leaf.ndim and leaf.shape[0] == _BATCH and scale]
    spreads = [_magnitude(leaf - leaf[:1]) / scale for leaf, scale in batches]
    return Response(max(scales, default=0.0), max(spreads, default=0.0))


def _magnitude(leaf: torch.Tensor) -> float:
    magnitude = leaf.abs()
    return float(magnitude[magnitude < _FILL].max()) if bool((magnitude < _FILL).any()) else 0.0


def _inputs(module: nn.Module, seed: int) -> Iterator[Mapping[str, torch.Tensor]]:
    config = getattr(module, "config", None)
    name = getattr(module, "main_input_name", None)
    if config is None or not isinstance(name, str):
        return
    generator = torch.Generator().manual_seed(seed)
    if hasattr(config, "text_config") and hasattr(config, "vision_config"):
        for text, picture in zip(_text(config, generator), _pictures(config, generator)):
            yield {**text, **picture}
    if name == "input_ids":
        yield from _text(config, generator)
    elif name == "pixel_values":
        yield from _pictures(config, generator)
    elif name == "input_features":
        frames = 2 * int(getattr(config, "max_source_positions", None) or 50)
        mels = int(getattr(config, "num_mel_bins", None) or getattr(config, "feature_size", None) or 80)
        yield {name: torch.randn(_BATCH, mels, frames, generator=generator), **_decoder(config, generator)}
    elif name == "input_values":
        yield from _sounds(config, generator)


def _text(config: Any, generator: torch.Generator) -> Iterator[Mapping[str, torch.Tensor]]:
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    vocabulary = getattr(text, "vocab_size", None)
    if not isinstance(vocabulary, int) or vocabulary < 2:
        return
    ids = torch.randint(vocabulary, (_BATCH, _LENGTH), generator=generator)
    yield {"input_ids": ids, **_decoder(config, generator)}


def _decoder(config: Any, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
    if not getattr(config, "is_encoder_decoder", False):
        return {}
    text = config.get_text_config(decoder=True) if hasattr(config, "get_text_config") else config
    vocabulary = getattr(text, "vocab_size", None)
    if not isinstance(vocabulary, int) or vocabulary < 2:
        return {}
    return {"decoder_input_ids": torch.randint(vocabulary, (_BATCH, _LENGTH), generator=generator)}


def _sounds(config: Any, generator: torch.Generator) -> Iterator[Mapping[str, torch.Tensor]]:
    mels, frames = getattr(config, "num_mel_bins", None), getattr(config, "max_length", None)
    if isinstance(mels, int) and isinstance(frames, int) and not hasattr(config, "conv_dim"):
        yield {"input_values": torch.randn(_BATCH, frames, mels, generator=generator)}
    yield {"input_values": torch.randn(_BATCH, _SAMPLES, generator=generator)}


def _pictures(config: Any, generator: torch.Generator) -> Iterator[Mapping[str, torch.Tensor]]:
    vision = getattr(config, "vision_config", config)
    channels = int(getattr(vision, "num_channels", None) or 3)
    own = getattr(vision, "image_size", None)
    pairs = [(size, size) if isinstance(size, int) else tuple(size) for size in (own or _IMAGE, _IMAGE)]
    for height, width in dict.fromkeys(sorted(pairs, key=math.prod)):
        yield {"pixel_values": torch.randn(_BATCH, channels, height, width, generator=generator)}
