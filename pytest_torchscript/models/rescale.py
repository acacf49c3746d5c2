"""Rescale made-up weights so that every input is felt, and nothing blows up.

With the usual 0.02 and zero initialisations a model hardly moves when its input does: one that ignores its mask would
pass any tolerance. No rule here knows a model or a parameter by name; shape, owner and values decide:

==============================================  ==================================================================
a constant (zero biases, norms, layer scales)    plus a small random part; a single gate that is shut (0) is opened
weights of linear layers and convolutions        standard deviation 1/sqrt(fan_in), where it is far from that
                                                 (how far: see `_smallest_choice`)
embeddings                                       standard deviation 1, where it is less than half
other tables and kernels that look drawn         standard deviation at least 1/sqrt(their longest side)
running variances of batch norms                 those of one batch, where the signal would die or blow up without
everything else (decay rates, frozen tables)     left as the model made it
==============================================  ==================================================================

1/sqrt(fan_in) keeps the scale of activations through a layer (LeCun et al., "Efficient BackProp", 1998); fan_in counts
the inputs of one output element. A deep stack without norms can blow up all the same (MobileBERT: 1e13): then all
layers are damped until one forward pass stays moderate.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from pytest_torchscript.models.construct import SEED
from pytest_torchscript.models.probe import Response, run_probe

#: The random part added to constants, in units of an activation of scale one.
SPREAD = 0.1
#: An own scale within this range of the target is the model's own choice and stays.
_OWN_CHOICE = (0.5, 1.5)
#: In a model that scales its layers by their width, one that is smaller on purpose stays down to this share.
_ON_PURPOSE = 0.05
#: Beyond this a value can only be memory that nobody initialised.
_ABSURD = 1e4

#: Outputs of a made-up model beyond this have blown up; each step of damping takes this share of every layer.
_MODERATE, _DAMPING, _STEPS = 1e3, 0.7, 8
#: Samples of a batch that differ by less than this share of the outputs are not felt.
_ALIVE = 1e-2

#: What a batch norm that is set puts out. Small signals keep a deep stack near linear, so that noise stays small:
#: relative noise of a made-up EfficientNet-B7 is 2e-5 at 1, 2e-6 at 0.3, and at 0.2 the signal fades.
_NORMED = 0.3

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def rescale_weights(module: nn.Module, *, seed: int = SEED) -> None:
    """Rescale a module's parameters in place, alike in every process. Parameters that were left NaN are drawn.

    The module must have been built, not loaded: real weights are never touched. Frozen parameters keep their values.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        _open_norms(module)
        least = _smallest_choice(module)
        for parameter, target, exact in _parameters(module):
            if parameter.is_floating_point() and not parameter.is_meta:
                _draw_missing(parameter, target, generator)
                if parameter.requires_grad:
                    _rescale(parameter, target, generator, least=least, exact=exact)
        for buffer in module.buffers():
            if buffer.is_floating_point() and not buffer.is_meta:
                buffer.nan_to_num_(nan=0.0, posinf=math.inf, neginf=-math.inf)
        _settle(module, seed)


def _open_norms(module: nn.Module) -> None:
    """Move the weights of norms to one where they are drawn around zero, which shuts the layer (EfficientNet's are)."""
    for child in module.modules():
        weight = child.weight if isinstance(child, _NORMS) else None
        if weight is not None and not weight.is_meta and abs(float(weight.mean())) < 0.5:
            weight.add_(1.0)


def _settle(module: nn.Module, seed: int) -> None:
    """Damp all layers while the outputs are not moderate; before that, and where the signal dies, set batch norms.

    A batch norm in eval mode normalises nothing, so a deep network of them may blow up or pass nothing on.
    """
    response = run_probe(module, seed=seed)
    if response is None or _is_sound(response):
        return
    _set_batch_norms(module, seed)
    for _ in range(_STEPS):
        response = run_probe(module, seed=seed)
        if response is None or response.scale <= _MODERATE:
            return
        for child in module.modules():
            if isinstance(child, (*_LAYERS, *_TRANSPOSED)) and child.weight.requires_grad:
                child.weight.mul_(_DAMPING)


def _is_sound(response: Response) -> bool:
    return response.scale <= _MODERATE and response.spread >= _ALIVE


def _set_batch_norms(module: nn.Module, seed: int) -> None:
    """Make every batch norm bring what passes it to one small scale.

    One number a layer: whitening each channel, as training does, makes rounding errors grow from layer to layer (the
    outputs of a made-up EfficientNet were then 60 % noise).
    """
    found: dict[str, float] = {}
    run_probe(module, seed=seed, watch=functools.partial(_watch_norms, found=found))
    for name, square in found.items():
        norm: Any = module.get_submodule(name)
        norm.running_var.fill_(square)


def _watch_norms(copy: nn.Module, *, found: dict[str, float]) -> None:
    for name, child in copy.named_modules():
        if isinstance(child, nn.modules.batchnorm._BatchNorm) and child.running_var is not None:
            child.register_forward_pre_hook(functools.partial(_take_square, name=name, found=found))


def _take_square(norm: Any, args: tuple[Any, ...], *, name: str, found: dict[str, float]) -> None:
    square = float(args[0].square().mean()) / _NORMED**2
    if 0 < square < math.inf:
        norm.running_var.fill_(square)
        found[name] = square


def _parameters(module: nn.Module) -> Iterator[tuple[nn.Parameter, float, bool]]:
    """Yield each distinct parameter once, its wanted standard deviation, and whether that also lowers a larger one."""
    seen: set[int] = set()
    embeddings_first = sorted(module.modules(), key=lambda child: not isinstance(child, nn.Embedding))
    for child in embeddings_first:
        for name, parameter in child.named_parameters(recurse=False):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                fan_in = _fan_in(child, parameter) if name == "weight" else None
                if isinstance(child, nn.Embedding):
                    yield parameter, 1.0, False
                else:
                    yield parameter, (fan_in or max([1, *parameter.shape])) ** -0.5, fan_in is not None


def _fan_in(owner: nn.Module, weight: torch.Tensor) -> int | None:
    """Return how many inputs one output element of a layer sums over; None where the owner is no such layer."""
    if weight.numel() == 0:
        return None
    if isinstance(owner, _TRANSPOSED):
        taps = weight[0, 0].numel() / math.prod(owner.stride)
        return max(1, round(owner.in_channels / owner.groups * taps))
    if isinstance(owner, _LAYERS):
        return max(1, weight[0].numel())
    return None


def _draw_missing(parameter: nn.Parameter, target: float, generator: torch.Generator) -> None:
    missing = ~(parameter.abs() < _ABSURD)  # NaN compares false
    if missing.any():
        scale = target if parameter.ndim > 1 else SPREAD
        parameter.copy_(torch.where(missing, scale * _normal(parameter, generator), parameter))


def _smallest_choice(module: nn.Module) -> float:
    """Return down to which share of the target a layer's own scale stays.

    Most models draw every layer with one standard deviation, right for one width only; they are rescaled throughout.
    A few scale by width themselves: T5 draws its queries smaller in place of dividing the scores, and must keep that.
    """
    shares = [
        child.weight.std().item() * (_fan_in(child, child.weight) or 1) ** 0.5
        for child in module.modules()
        if isinstance(child, nn.Linear) and child.weight.numel() > 1 and not child.weight.is_meta
    ]
    typical = statistics.median([share for share in shares if math.isfinite(share)] or [0.0])
    return _ON_PURPOSE if typical >= _OWN_CHOICE[0] else _OWN_CHOICE[0]


def _rescale(parameter: nn.Parameter, target: float, generator: torch.Generator, *, least: float, exact: bool) -> None:
    if parameter.numel() == 0:
        return
    low, high = parameter.min().item(), parameter.max().item()
    if low == high:
        _spread(parameter, low, target, generator)
    elif parameter.ndim > 1:
        _stretch(parameter, target, least=least if exact else _OWN_CHOICE[0], exact=exact)


def _spread(parameter: nn.Parameter, value: float, target: float, generator: torch.Generator) -> None:
    """Give a constant a random part. A single number is a gate, a temperature or a scale: it stays unless it is shut."""
    if parameter.numel() == 1:
        if value == 0:
            parameter.fill_(0.5)
        return
    scale = target if parameter.ndim > 1 and value == 0 else SPREAD
    parameter.add_(scale * _normal(parameter, generator))


def _stretch(parameter: nn.Parameter, target: float, *, least: float, exact: bool) -> None:
    own, mean = parameter.std().item(), parameter.mean().item()
    if own == 0 or (not exact and abs(mean) > own / 2):  # values with a centre of their own mean something
        return
    if own < least * target or (exact and own > _OWN_CHOICE[1] * target):
        parameter.mul_(target / own)


def _normal(like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(like.shape, generator=generator, dtype=torch.float32).to(like.dtype)
