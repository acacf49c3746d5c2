"""What torch's own layers say of the tensors they take: inputs that nobody described are found by it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn


@dataclass(frozen=True)
class Wanted:
    """What a layer takes for one argument.

    ``ranks`` are the numbers of dims, the usual one first; ``sizes`` those of dims by their index, from the front or, where
    negative, from the back; ``multiples`` likewise. ``names`` are what people call the dims at the usual rank, empty for one
    that has no name. ``below`` is given for whole numbers from 0 that stay below it; ``pair`` for two tensors of this kind.
    """

    ranks: tuple[int, ...] = ()
    sizes: Mapping[int, int] = field(default_factory=dict)
    multiples: Mapping[int, int] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    below: int | None = None
    pair: bool = False


#: The dims behind batch and channels, by their number.
SPACE = {1: ("time",), 2: ("height", "width"), 3: ("frames", "height", "width")}
_SPATIAL = re.compile(r"(?:Conv|ConvTranspose|BatchNorm|InstanceNorm|Pool|Pad|Unpool|Dropout)([123])d$")


def wanted_by(layer: nn.Module) -> tuple[Wanted, ...]:
    """Return what a layer takes for its first arguments; nothing where it takes anything, or is none of torch's."""
    if isinstance(layer, (nn.Embedding, nn.EmbeddingBag)):
        return (Wanted((2, 1, 3), names=("batch", "sequence"), below=layer.num_embeddings),)
    if isinstance(layer, nn.Bilinear):
        return Wanted(sizes={-1: layer.in1_features}), Wanted(sizes={-1: layer.in2_features})
    if isinstance(layer, nn.Linear):
        return (Wanted(sizes={-1: layer.in_features}, names=("batch", "")),)
    if isinstance(layer, nn.RNNBase):
        return _recurrent(layer)
    if isinstance(layer, nn.RNNCellBase):
        hidden = Wanted((2,), {-1: layer.hidden_size}, names=("batch", ""), pair=isinstance(layer, nn.LSTMCell))
        return Wanted((2,), {-1: layer.input_size}, names=("batch", "")), hidden
    if isinstance(layer, nn.MultiheadAttention):
        widths = (layer.embed_dim, layer.kdim, layer.vdim)
        return tuple(_series(width, layer.batch_first) for width in widths)
    if isinstance(layer, nn.Transformer):
        return (_series(layer.d_model, layer.batch_first),) * 2
    if isinstance(layer, (nn.TransformerEncoder, nn.TransformerDecoder)):
        first = next(iter(layer.layers), None)
        return wanted_by(first) if first is not None else ()
    if isinstance(layer, (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)):
        count = 2 if isinstance(layer, nn.TransformerDecoderLayer) else 1
        return (_series(layer.self_attn.embed_dim, layer.self_attn.batch_first),) * count
    if isinstance(layer, nn.PixelShuffle):
        names = ("batch", "channels", "height", "width")
        return (Wanted((4,), multiples={1: layer.upscale_factor**2}, names=names),)
    if isinstance(layer, nn.GroupNorm):
        return (Wanted((4, 3, 5, 2), {1: layer.num_channels}, names=("batch", "", "height", "width")),)
    if isinstance(layer, nn.PReLU) and layer.num_parameters > 1:
        return (Wanted((4, 3, 2, 5), {1: layer.num_parameters}, names=("batch", "", "height", "width")),)
    if isinstance(layer, (nn.CrossEntropyLoss, nn.NLLLoss)):
        return Wanted((2, 3, 4), names=("batch", "classes")), Wanted((1, 3), names=("batch",), below=2)
    if isinstance(layer, (nn.CosineSimilarity, nn.PairwiseDistance)):
        return (Wanted(names=("batch", "features")),) * 2
    if isinstance(layer, nn.Upsample):
        return (Wanted((4, 3, 5), names=("batch", "channels", "height", "width")),)
    trailing = getattr(layer, "normalized_shape", None)  # LayerNorm, and RMSNorm where torch has it
    if isinstance(trailing, tuple):
        return (Wanted(sizes={index - len(trailing): size for index, size in enumerate(trailing)}),)
    return _spatial(layer)


def _recurrent(layer: nn.RNNBase) -> tuple[Wanted, ...]:
    directions = 2 if layer.bidirectional else 1
    hidden = Wanted(
        (3,),
        {0: layer.num_layers * directions, -1: layer.proj_size or layer.hidden_size},
        names=("", "batch", ""),
        pair=isinstance(layer, nn.LSTM),
    )
    return _series(layer.input_size, layer.batch_first), hidden


def _series(width: int, batch_first: bool) -> Wanted:
    return Wanted((3,), {-1: width}, names=("batch", "time", "") if batch_first else ("time", "batch", ""))


def _spatial(layer: nn.Module) -> tuple[Wanted, ...]:
    """Return what convolutions, norms, pools and paddings take: batch, channels, and one to three dims of space."""
    for kind in type(layer).__mro__:
        found = _SPATIAL.search(kind.__name__) if kind.__module__.startswith("torch.nn.") else None
        if found is None:
            continue
        space = int(found.group(1))
        channels = getattr(layer, "in_channels", getattr(layer, "num_features", None))
        sizes = {1: channels} if isinstance(channels, int) and channels > 0 else {}
        ranks = (space + 2, 2) if isinstance(layer, nn.BatchNorm1d) else (space + 2,)
        return (Wanted(ranks, sizes, names=("batch", "" if sizes else "channels", *SPACE[space])),)
    return ()
