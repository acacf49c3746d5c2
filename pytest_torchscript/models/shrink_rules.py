"""What each number of a configuration means for its size, by the words in its name and the values beside it.

Names of configurations are the only public description of an architecture there is. The rules know words (``layers``,
``heads``, ``dim``), never models. Whatever a rule gets wrong is found by building (shrink.py) and left as it was.

Widths are scaled by one power of two for the whole tree of configurations, so that what belongs together stays
together: sums (LayoutLMv3's coordinates), products (T5's heads), and sizes that two parts share. Windows, blocks,
strides, patches, kernels, image sizes and maximum positions are the architecture and stay.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_torchscript.models.construct import sub_configs
from pytest_torchscript.versions import library_name

LAYERS, WIDTH, HEADS, VOCABULARY = 2, 64, 4, 1024
EXPERTS, WINDOW, CODEBOOK = 4, 128, 256
#: Filters of a codec's first stage, which double from stage to stage.
FILTERS = 4
#: Pictures of more pixels a side than the first cost more passes than they tell, and may become the second.
LARGE_PICTURE, PICTURE = 512, 256
#: Widths up to here stay.
SMALLEST = 16

_LAYER = re.compile(
    r"(^|_)(n_|num_)?(hidden_|encoder_|decoder_|[a-z]_)?layers?$|^n_layers?$|^depths?$|block_sizes|(^|_)blocks$|block_repeats|_per_block$"
    r"|^(en|de)coder_depths?$"
)
_NOT_LAYER = re.compile(
    r"feat_extract|attention_blocks|source|random|max_window|dense|idx|indices|conv|landmark|_kv_|output|norm|adapter|every|type|share"
    r"|(moe|rope)_layers$"
)
#: Which layers, or blocks, are of another kind.
_PLACES = re.compile(r"(moe_layers|block_indices)$")
_HEAD = re.compile(r"(^|_)(n|num)_(.*_)?heads?$|attention_heads$|(^|_)heads?$")
_HEAD_DIM = re.compile(
    r"head_dim$|head_size$|^d_kv$|^d_head$|^rotary_dim$|kv_channels$|(^|_)(qk|v|k|q)_head_dim$|^rotary_emb_dim$"
)
_WIDTH = re.compile(
    r"(^|_)(size|sizes|dim|dims|width|units|rank|inner|embd|ff|dff|features|feats|hidden|channels|latents|model|dimension|bottleneck)$"
    r"|^d_|_dim_|hidden_size|^dim_|size_mlp$"
)
_NOT_WIDTH = re.compile(
    r"vocab|patch(?!_embeds_hidden)|image(?!_token_embed)|window|kernel|stride|block|chunk|max_|label|class|queue|group_size|mel|num_channels|in_channels|out_channels"
    r"|input_channels|^n_channels|codebook_size|state|conv_size|pool|crop|frame|tubelet|merge|bucket|seq|position|temporal|context"
    r"|batch|cache|beam|ngram|shard|grid|train_size|sample|hop|fft|tag|audio|output_shape|num_positions|type_"
    r"|spec_|pos_emb|model_in|token(?!_embed_dim)|cardinality|embedding_dimension|time_step|upsampl|downsampl|query_scale|scal|memory|log|lag"
)
_EVERY = re.compile(r"every|period|interval|(^|_)freq(uency)?$|_step$|offset|first_k|_pattern$")
_ASIDE = re.compile(r"^(sscp|subsampling)_|intermediate")
_STAGE_CHANNELS = re.compile(r"^(stem|stage|encoder|decoder)_(in|mid|out)_channels$|_feature_dims$")
_OUT = re.compile(r"(^|_)out_(dim|hidden_size|features)$")
_FILTERS = re.compile(r"(^|_)(num|n)_filters$")
_GROUPS = re.compile(r"(^|_)(n|num)_groups$")
_EXPERT = re.compile(r"experts$")
_EXPERT_CHOICE = re.compile(r"experts_per_tok(en)?$|top_?k(_experts)?$|^moe_k$")
_TOKEN_ID = re.compile(r"_(token_)?ids?$|_index$|suppress_tokens$")
_MULTIPLIER = re.compile(r"^(width_coefficient|depth_multiplier|width_multiplier)$")


#: Ways to make the changes that help where the usual one makes no model that runs, see `_Scales`.
WAYS: tuple[Mapping[str, Any], ...] = (
    {"sections": 1},
    {"sections": -1},
    {"stages": True},
    {"computed": True},
    {"windows": True},
    {"twice": True},
    {"alone": True},
    {"step": 32},
    {"step": 64},
    {"codes": True, "step": 32},
)
#: And those that help where it makes one that is not small.
NARROWER: tuple[Mapping[str, Any], ...] = ({"narrower": 2}, {"narrower": 4})


@dataclass(frozen=True)
class Change:
    """One number (or list of numbers) of one configuration in the tree."""

    path: tuple[str, ...]
    name: str
    value: Any


@dataclass(frozen=True)
class _Scales:
    """What all rules share: the factor of widths, and the vocabulary that special ids must stay inside.

    ``sections`` states how the rotary pairs of a head are shared among time, height and width, where the configuration
    leaves it to a constant of the class, which fits full heads alone: time first with 1, last with -1. ``pictures`` makes
    large pictures smaller, and with them the maps of features whose sizes are stated. ``stages`` hands on the maps of all
    stages of a backbone that was not told which. ``computed`` leaves to the class what it computes of other values unless it
    is given. ``windows`` states one where no layer attends in a window and the class makes the mask of one all the same.
    ``twice`` keeps two layers of each kind, the second of which may use what the first has kept. ``alone`` shrinks what
    single layers have of their own. ``codes`` puts small codebooks of pictures and sounds into the end of the vocabulary,
    one behind the other. Widths are multiples of ``step``, which groups of channels or heads of one width may
    need, and ``narrower`` by that factor.
    """

    factor: float
    vocabulary: int | None
    sections: int = 0
    pictures: int = 1
    stages: bool = False
    computed: bool = False
    windows: bool = False
    twice: bool = False
    alone: bool = False
    codes: bool = False
    step: int = 8
    narrower: int = 1

    def width(self, value: int) -> int:
        """Return a shrunk width: the same for equal widths everywhere, and a multiple of the step."""
        step = self.step
        return value if value <= max(SMALLEST, step) else max(step, step * math.ceil(value * self.factor / step))


def propose(config: Any, **way: Any) -> list[Change]:
    """Return every change that makes a configuration tiny; in a way of `_Scales` where the usual one does not help."""
    if "pictures" in way:
        way["pictures"] = _picture_ratio(config)
    scales = _Scales(_factor(config) / way.get("narrower", 1), _vocabulary(config), **way)
    changes = [change for path, part in tree(config) for change in _changes(path, part, scales)]
    joints = list(_joints(config, scales))
    places = {(change.path, change.name) for change in joints}
    return [*(change for change in changes if (change.path, change.name) not in places), *joints]


def _joints(config: Any, scales: _Scales) -> Iterator[Change]:
    """Yield what vision and audio parts must put out for the text beside them: its width, where they state one.

    Classes make configurations by default whose parts do not fit; those of checkpoints do.
    """
    for path, part in tree(config):
        text = getattr(part, "text_config", None)
        width = _main_width(text) if text is not None else 0
        for name, value in vars(part).items():
            if width and value is not text and name.endswith(("vision_config", "audio_config")):
                known = vars(value) if hasattr(value, "to_dict") else {}
                put_out = (
                    "out_hidden_size" if "out_hidden_size" in known else "hidden_size" if "embed_dim" in known else ""
                )
                if _int(known.get(put_out)) and known[put_out] != scales.width(width):
                    yield Change((*path, name), put_out, scales.width(width))
                for other in known:
                    if _OUT.search(other) and other != put_out and known[other] == width:
                        yield Change((*path, name), other, scales.width(width))


def is_depth(change: Change) -> bool:
    """Whether a change takes layers away, and what lists one entry a layer."""
    return _is_layers(change.name) or (isinstance(change.value, list) and not _is_width(change.name))


def tree(config: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield a configuration and those inside it, with the attribute names that lead there."""
    base = library_name("transformers", "PreTrainedConfig", "PretrainedConfig", used_for="configurations")
    yield path, config
    for name, value in vars(config).items():
        if isinstance(value, base):
            yield from tree(value, (*path, name))


def _factor(config: Any) -> float:
    coefficients = (getattr(part, "width_coefficient", None) for part in sub_configs(config))
    coefficient = next((each for each in coefficients if isinstance(each, float)), None)
    if coefficient is not None:  # other widths are stated as products with it
        return min(1.0, 0.25 / coefficient)
    widest: int = max((_main_width(part) for part in sub_configs(config)), default=0)
    return 1.0 if widest <= WIDTH else 2.0 ** -math.ceil(math.log2(widest / WIDTH))


def _main_width(config: Any) -> int:
    """Return the width of the residual stream: one number, or the middle one of a pyramid of stages."""
    depths = _depths(vars(config)) - _stages(vars(config))
    middles: list[int] = [
        sorted(value)[len(value) // 2]
        for name, value in vars(config).items()
        if _is_width(name) and _ints(value) and len(value) > 1 and len(value) not in depths and not _ASIDE.search(name)
    ]
    if max(middles, default=0) > SMALLEST:
        return max(middles)
    if _stages(vars(config)) and _number(config, "embed_dim"):
        return 2 * _number(config, "embed_dim")  # a pyramid that doubles its width from stage to stage
    names = ("hidden_size", "d_model", "hidden_dim", "embed_dim", "dim")
    return next((value for value in (_number(config, name) for name in names) if value), 0)


def _vocabulary(config: Any) -> int | None:
    return max((_number(part, "vocab_size") for part in sub_configs(config)), default=0) or None


def _picture_ratio(config: Any) -> int:
    """Return by which power of two square pictures become smaller."""
    sides = [_side(getattr(part, "image_size", None)) for part in sub_configs(config)]
    large = max(sides, default=0)
    return 2 ** math.ceil(math.log2(large / PICTURE)) if large > LARGE_PICTURE else 1


def _side(size: Any) -> int:
    """Return the side of a square picture, 0 for any other."""
    if _ints(size) and len(set(size)) == 1:
        size = size[0]
    return size if _int(size) else 0


def _picture(name: str, value: Any, ratio: int) -> Any:
    """Return the smaller size of a picture, or of the maps of its features; None for what is neither."""
    if name == "image_size" and _side(value) > LARGE_PICTURE:
        return value // ratio if _int(value) else [each // ratio for each in value]
    if name.endswith("feature_sizes") and isinstance(value, (list, tuple)) and all(map(_ints, value)):
        return [[each // ratio for each in sizes] for sizes in value]
    return None


def _changes(path: tuple[str, ...], config: Any, scales: _Scales) -> Iterator[Change]:
    derived = derived_names(config)
    values = {name: value for name, value in vars(config).items() if not name.startswith("_") and name not in derived}
    if _ints(getattr(config, "out_indices", None)):
        values["out_indices"] = list(config.out_indices)
    stages = _stages(values)
    values = {
        name: value for name, value in values.items() if not (_is_layers(name) and _int(value) and value in stages)
    }
    depth = 2 * _kinds(values) if scales.twice and _kinds(values) else _depth(values)
    old_depths = _depths(values)
    computed = _computed(config) if scales.computed else ()
    every = _every_stage(config) if scales.stages else None
    for name, value in values.items():
        new = _shrunk(name, value, config, scales, depth, old_depths)
        if name in computed:
            yield Change(path, name, None)
        elif name == "out_indices" and every:
            yield Change(path, name, every)
        elif name == "sliding_window" and value is None and scales.windows:
            yield Change(path, name, WINDOW)
        elif new is not None and new != value:
            yield Change(path, name, new)
    if scales.alone and (own := _of_single_layers(config, scales, depth)):
        yield Change(path, "per_layer_config", own)


def _of_single_layers(config: Any, scales: _Scales, depth: int) -> dict[int, dict[str, Any]]:
    """Return what the layers that are left have of their own, by their place: that of the first layer of their type."""
    types = list(getattr(config, "layer_types", None) or ())
    given = config.to_dict().get("per_layer_config") or {}
    first = {types[int(place)]: values for place, values in reversed(list(given.items())) if int(place) < len(types)}
    made = {}
    for place, kind in enumerate(_one_of_each(types, depth)):
        if kind in first:
            made[place] = {
                name: _shrunk(name, value, config, scales, depth, set()) or value for name, value in first[kind].items()
            }
            _add_up(made[place], first[kind], config, scales)
    return made


def _add_up(made: dict[str, Any], before: Mapping[str, Any], config: Any, scales: _Scales) -> None:
    """Make a head as wide as its turned and its plain part together, where it was."""
    parts = ("qk_nope_head_dim", "qk_rope_head_dim")
    old = {name: before.get(name, vars(config).get(name)) for name in ("head_dim", *parts)}
    if all(map(_int, old.values())) and old["head_dim"] == sum(old[name] for name in parts):
        made["head_dim"] = sum(made.get(name) or _head_dim(old[name], config, scales) for name in parts)


def _computed(config: Any) -> set[str]:
    """Return the attributes that a configuration's class computes where they are not given, and has computed."""
    fresh = _fresh(config)
    parameters = inspect.signature(type(config).__init__).parameters.values()
    left_out = {each.name for each in parameters if each.default is None and _int(fresh.get(each.name))}
    return {name for name in left_out if getattr(config, name, None) == fresh[name]}


def _every_stage(config: Any) -> list[int] | None:
    """Return all stages of a pyramid that hands on the map of its last one alone, as all do that are not told which."""
    stages = len(getattr(config, "stage_names", None) or ()) - 1
    alone = stages > 1 and list(getattr(config, "out_indices", None) or ()) == [stages]
    return list(range(1, stages + 1)) if alone and not _number(config, "num_hidden_layers") else None


def _shrunk(name: str, value: Any, config: Any, scales: _Scales, depth: int, old_depths: set[int]) -> Any:
    """Return the tiny value of one attribute, or None where it stays."""
    if scales.pictures > 1 and (smaller := _picture(name, value, scales.pictures)) is not None:
        return smaller
    if _int(value):
        return _shrunk_number(name, value, config, scales, depth)
    if isinstance(value, dict) and name.startswith("rope_"):
        return _rotary(value, config, scales)
    if isinstance(value, (list, tuple)) and value:
        placed = any(other.endswith("attention_blocks") for other in vars(config))  # by their place among all
        return _shrunk_list(name, list(value), scales, depth, old_depths, placed=placed)
    if isinstance(value, float) and _MULTIPLIER.search(name):
        return min(value, 0.25)
    if isinstance(value, float) and name == "depth_coefficient":
        return min(value, 1.0)
    return None


def _shrunk_number(name: str, value: int, config: Any, scales: _Scales, depth: int) -> int | None:
    if name.endswith("shared_layers") and scales.twice:
        return min(value, depth // 2)
    if name == "codebook_size" and scales.codes:
        return min(value, CODEBOOK)
    if name.endswith("_token_offset") and scales.codes:
        offsets = sorted(other for key, other in vars(config).items() if key.endswith("_token_offset"))
        return VOCABULARY - CODEBOOK * (len(offsets) - offsets.index(value))
    if _is_layers(name):
        return min(value, depth)
    if _HEAD_DIM.search(name):
        return _head_dim(value, config, scales)
    if _HEAD.search(name):
        return _heads(value, config, scales)
    if _GROUPS.search(name):
        return min(value, HEADS // 2)
    if _FILTERS.search(name):
        return max(FILTERS, value // 8) // scales.narrower
    if name == "num_embeddings":
        return min(value, VOCABULARY)
    if name.endswith("_groups") and value == _main_width(config):  # one for each channel
        return scales.width(value)
    if name.startswith("upsample_initial_channel"):  # halved at every stage
        return max(64, value // 8)
    if re.search(r"vocab(_size|$)", name) and "type" not in name:
        return min(value, VOCABULARY)
    if _EXPERT.search(name):
        return min(value, max(EXPERTS, 2 * (getattr(config, "n_group", None) or 1)))
    if _EXPERT_CHOICE.search(name):
        return min(value, 2)
    if _TOKEN_ID.search(name) and scales.vocabulary:
        return _token_id(value, scales.vocabulary)
    return _whole_heads(_multiple(value, config, scales), value, config) if _is_width(name) else None


def _multiple(value: int, config: Any, scales: _Scales) -> int:
    """Return a shrunk width: what is a multiple of the main width stays that multiple of it."""
    main = _number(config, "patch_embeds_hidden_size") or _main_width(config)
    times = value // main if main > SMALLEST and value % main == 0 else 0
    return times * scales.width(main) if times > 1 else scales.width(value)


def _whole_heads(width: int, before: int, config: Any) -> int:
    """Return a width that the heads of a pyramid's first stage divide as they did before."""
    heads = next((value for name, value in vars(config).items() if _HEAD.search(name) and _ints(value)), None)
    step = 2 * heads[0] if heads and before % (2 * heads[0]) == 0 else 1
    return -(-width // step) * step


def _shrunk_list(
    name: str, value: list[Any], scales: _Scales, depth: int, old_depths: set[int], *, placed: bool = False
) -> list[Any] | None:
    if _is_repeats(value):
        return [[kinds, 1] for kinds, _ in value]
    if name.endswith("hook_ids") and _ints(value) and len(value) <= depth:  # layers of a part whose maps are taken
        return [sorted(value).index(each) + depth - len(value) for each in value]
    if _is_blocks(name, value):
        return [_scaled([*stage[:1], *stage[1:][-1:]], scales) for stage in value]
    if len(value) in old_depths and len(value) > depth and not _is_layers(name):
        kept = _one_of_each(value, depth, twice=scales.twice)
        return [scales.width(each) for each in kept] if _is_width(name) and _ints(kept) else kept
    if not _ints(value):
        return None
    if _is_layers(name):
        return None if placed else [min(each, LAYERS) for each in value]
    if _PLACES.search(name) and old_depths:
        return [each for each in value if each < depth]
    if name.endswith(("indices", "idxs", "layers")) and old_depths:
        return _spread(value, depth, max(old_depths))
    if _HEAD.search(name):
        return None  # a pyramid keeps its heads: they divide its widths as long as those are scaled alike
    if _TOKEN_ID.search(name) and scales.vocabulary:
        return [_token_id(each, scales.vocabulary) for each in value]
    return [scales.width(each) for each in value] if _is_width(name) else None


def _depth(values: dict[str, Any]) -> int:
    """Return how many layers show everything: two, or as many as a pattern over the layers needs."""
    every = [value for name, value in values.items() if _EVERY.search(name) and _int(value) and 0 < value <= 8]
    kinds = [
        len(set(map(str, value)))
        for value in values.values()
        if isinstance(value, (list, tuple)) and value and isinstance(value[0], str) and len(value) in _depths(values)
    ]
    taps = [len(value) for name, value in values.items() if name.endswith("out_indices") and _ints(value)]
    depth: int = max([LAYERS, *every, *kinds, *taps, _last_pattern(values)])
    return depth


def _kinds(values: dict[str, Any]) -> int:
    """Return of how many types layers are, where later ones may use what earlier ones keep; 0 where none does."""
    types = values.get("layer_types")
    return len(set(types)) if values.get("num_kv_shared_layers") and isinstance(types, (list, tuple)) else 0


def _spread(indices: list[int], depth: int, old_depth: int) -> list[int]:
    """Return where the layers whose outputs are used lie among fewer layers; different ones stay different."""
    scaled = [max(1, round(index * depth / old_depth)) if index > 0 else index for index in indices]
    return scaled if len(set(scaled)) == len(indices) else list(range(depth - len(indices) + 1, depth + 1))


def _last_pattern(values: dict[str, Any]) -> int:
    """Return one layer more than the first dense or plain ones, so that a layer of the other kind is left."""
    return max((value + 1 for name, value in values.items() if "first_k" in name and _int(value)), default=0)


def _stages(values: dict[str, Any]) -> set[int]:
    """Return the lengths of the lists that give each stage its layers: numbers of stages, which stay."""
    return {len(value) for name, value in values.items() if _is_layers(name) and _ints(value) and len(value) > 1}


def _depths(values: dict[str, Any]) -> set[int]:
    return {value for name, value in values.items() if _is_layers(name) and _int(value)}


def _one_of_each(value: list[Any], depth: int, *, twice: bool = False) -> list[Any]:
    """Cut a list of one entry a layer, keeping every kind of entry and their order; ``twice``, then every kind once more."""
    firsts = sorted({value.index(each) for each in value})[:depth]
    rest = [index for index in range(len(value)) if index not in firsts]
    if twice:
        later = [index for index in rest if index > firsts[-1]]
        again = sorted(
            index for index in later if value[index] not in [value[other] for other in later if other < index]
        )
        rest = list(dict.fromkeys([*again, *rest]))
    return [value[index] for index in sorted([*firsts, *rest[: depth - len(firsts)]])]


def _heads(value: int, config: Any, scales: _Scales) -> int:
    """Return a divisor of a number of heads, at most HEADS, that also divides the shrunk width into even parts."""
    total = _total_heads(config) or value
    kept = _divisor(total, config, scales)
    return kept if value == total else max(1, value * kept // total) if value < total else value * kept // total


def _total_heads(config: Any) -> int:
    names = (
        "num_attention_heads",
        "num_heads",
        "n_heads",
        "n_head",
        "encoder_attention_heads",
        "decoder_attention_heads",
    )
    return next((value for value in (_number(config, name) for name in names) if value), 0)


def _divisor(heads: int, config: Any, scales: _Scales) -> int:
    width, turned = scales.width(_main_width(config)) or heads, _turned(config)
    parts = (
        4 if getattr(type(config), "default_rope_type", "") == "axial" or hasattr(config, "spatial_merge_size") else 2
    )
    fits = [
        count
        for count in range(1, HEADS + 1)
        if heads % count == 0
        and width % count == 0
        and (width // count) % parts == 0 == int(width // count * turned) % 2
    ]
    return max(fits, default=1) if heads > HEADS else heads


def _turned(config: Any) -> float:
    """Return the share of a head that rotary positions turn, in pairs."""
    inside = getattr(config, "rope_parameters", None)
    shares = [getattr(config, "rotary_pct", None), getattr(config, "partial_rotary_factor", None)]
    shares.append(inside.get("partial_rotary_factor") if isinstance(inside, dict) else None)
    return next((float(share) for share in shares if isinstance(share, (int, float))), 1.0)


def _head_dim(value: int, config: Any, scales: _Scales) -> int:
    total = _total_heads(config)
    width = _main_width(config)
    if not (total and width):
        return scales.width(value)
    ratio = scales.width(width) / width * total / _divisor(total, config, scales)
    return min(value, max(2, 2 * round(value * ratio / 2)))


def _rotary(value: dict[str, Any], config: Any, scales: _Scales) -> dict[str, Any]:
    """Return rotary settings whose parts of a head still add up: sections sum to half a head, factors are one a pair."""
    old = _number(config, "head_dim") or _main_width(config) // max(1, _total_heads(config))
    ratio = _head_dim(old, config, scales) / old if old else 1.0
    changed = {}
    for key, part in value.items():
        if key == "mrope_section" and _ints(part):
            parts = [max(1, math.floor(each * ratio)) for each in part]
            changed[key] = [*parts[:-1], max(1, round(sum(part) * ratio) - sum(parts[:-1]))]
        elif key.endswith("_factor") and isinstance(part, (list, tuple)):
            changed[key] = list(part[: max(1, round(len(part) * ratio))])
    if scales.sections and "mrope_section" not in value and not any(isinstance(part, dict) for part in value.values()):
        pairs = int(_head_dim(old, config, scales) * _turned(config)) // 2
        time = pairs - 2 * (3 * pairs // 8)
        changed["mrope_section"] = [time, 3 * pairs // 8, 3 * pairs // 8][:: scales.sections]
    return {**value, **changed}


def _number(config: Any, name: str) -> int:
    """Return a whole number of a configuration, 0 where there is none. Some refuse to be asked."""
    try:
        value = getattr(config, name, None)
    except Exception:  # what differs from layer to layer has no one value
        return 0
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else 0


def _token_id(value: int, vocabulary: int) -> int:
    """Return where a special id moves: those at the end of the vocabulary stay at its end."""
    if value < VOCABULARY or vocabulary <= VOCABULARY:
        return value
    from_end = vocabulary - value
    return VOCABULARY - from_end if 0 < from_end < VOCABULARY // 2 else VOCABULARY // 2 + value % (VOCABULARY // 4)


def derived_names(config: Any) -> set[str]:
    """Return the attributes that a configuration's class computes from others: they would contradict changed ones.

    None are known of a class that names no parameter, or that cannot be made without arguments.
    """
    base = library_name("transformers", "PreTrainedConfig", "PretrainedConfig", used_for="configurations")
    fresh, generic = _fresh(config), set(vars(base()))
    parameters = list(inspect.signature(type(config).__init__).parameters.values())[1:]
    stored = getattr(type(config), "attribute_map", {})  # under another name
    named = {each.name for each in parameters if each.kind is not each.VAR_KEYWORD}
    given = named | {stored.get(name, name) for name in named}
    return {
        name
        for name, value in fresh.items()
        if given and name not in given and name not in generic and not isinstance(value, base) and name[0] != "_"
    }


def _fresh(config: Any) -> dict[str, Any]:
    """Return what a configuration's class makes by default; nothing where it cannot be made without arguments."""
    try:
        fresh = type(config)()
    except Exception:
        return {}
    return dict(vars(fresh))


def _plain(name: str) -> str:
    """Return a name without the words that only say that it lists one value a stage."""
    return re.sub(r"(?<=s)_per_stage$|(?<=dim)_per_stage$", "", re.sub(r"_channel_list$", "_channels", name))


def _is_layers(name: str) -> bool:
    name = _plain(name)
    return bool(_LAYER.search(name)) and not _NOT_LAYER.search(name) and not _EVERY.search(name)


def _is_width(name: str) -> bool:
    name = _plain(name)
    if _STAGE_CHANNELS.search(name):
        return True
    return bool(_WIDTH.search(name)) and not _NOT_WIDTH.search(name) and not _HEAD_DIM.search(name)


def _is_repeats(value: list[Any]) -> bool:
    """Whether a list reads [[kinds, times], ...], as GPT Neo writes its attention."""
    return all(
        isinstance(each, (list, tuple)) and len(each) == 2 and isinstance(each[0], list) and _int(each[1])
        for each in value
    )


def _is_blocks(name: str, value: list[Any]) -> bool:
    """Whether a list reads [stage, ...], and each stage [[kernel, width before, width behind, ...], ...], a list a block."""
    return name.endswith("_configs") and all(
        isinstance(stage, (list, tuple)) and stage and all(isinstance(block, (list, tuple)) for block in stage)
        for stage in value
    )


def _scaled(value: Any, scales: _Scales) -> Any:
    """Return lists in lists whose widths are shrunk; kernels, strides and switches are too small to be any."""
    if isinstance(value, (list, tuple)):
        return [_scaled(each, scales) for each in value]
    return scales.width(value) if _int(value) else value


def _int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _ints(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(_int(each) for each in value)
