"""Rules of text: identifiers, what goes beside them token by token, decoders and their caches."""

from __future__ import annotations

import torch

from pytest_torchscript.inputs.caches import KEYWORDS, cache_keyword, past_axes
from pytest_torchscript.inputs.code import counts_ends, counts_from_padding, pools_at_end
from pytest_torchscript.inputs.draw import CLOSED_IDS
from pytest_torchscript.inputs.reading import Hints, Reading, batch_axis, undeclared
from pytest_torchscript.spec import Axis, Dim, TensorSpec, dim_name

TEXT: Hints = ("text", "encoder")
DECODER: Hints = ("decoder", "text")

#: Sequences of models without position embeddings have no end of their own.
UNLIMITED_SEQUENCE = 512
#: Rotary positions have no table that ends, and past some length one attention matrix costs more than it can tell.
LONGEST_ROTARY = 4096
#: The same for tables of positions, whose users attend in windows (LED, CANINE) or by hashes (Reformer).
LONGEST = 16384
#: Where every character is an id (CANINE): Unicode ends here.
_CHARACTERS = 0x110000
#: Choices and answers of one question.
_CHOICES = Axis("choices", min=1, max=5)
#: Coordinates on a page are normalised to 1000 where no table of them is larger.
_PAGE = 1024

_POSITIONS = ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx", "context_length")
_ENCODER_POSITIONS = ("max_encoder_position_embeddings", *_POSITIONS)
_DECODER_POSITIONS = ("max_decoder_position_embeddings", "max_target_positions", *_POSITIONS)
_SPECIAL_IDS = (
    "pad_token_id",
    "bos_token_id",
    "cls_token_id",
    "sep_token_id",
    "mask_token_id",
    "decoder_start_token_id",
    "eos_token_id",
)


def feeds_text(reading: Reading) -> bool:
    """Whether identifiers (or their embeddings) enter by a parameter of that name."""
    return reading.takes("input_ids") and reading.main_input != "inputs"


def input_ids(reading: Reading) -> TensorSpec | None:
    """Identifiers of the vocabulary."""
    if not feeds_text(reading) or reading.embeds:
        return None
    return identifiers(reading, text_dims(reading), TEXT, "input_ids")


def identifiers(reading: Reading, dims: tuple[Dim, ...], within: Hints, name: str) -> TensorSpec:
    """Return the spec of identifiers: the vocabulary is their range, the special ones inside it are worth trying."""
    high = _CHARACTERS if reading.number("num_hash_buckets") else None
    high = high or reading.require("vocab_size", within=within, needed_by=name)
    pad = reading.value("pad_token_id", within=within)
    special = _special_ids(reading, high, within)
    closed = pools_at_end(reading.model_class) or counts_ends(reading.model_class)
    if closed and special and special[-1] == 2 and pools_at_end(reading.model_class):
        special = (*special[:-1], high - 1)  # CLIP before its repair: eos id 2 stands for "the highest id"
    return TensorSpec(
        *dims,
        dtype=torch.int64,
        low=0,
        high=high,
        role=CLOSED_IDS if closed else "ids",
        pad=pad if isinstance(pad, int) and 0 <= pad < high else 0,
        special=special,
    )


def _special_ids(reading: Reading, high: int, within: Hints) -> tuple[int, ...]:
    """Return the special identifiers inside the vocabulary, the end of text last."""
    found: list[object] = []
    for name in _SPECIAL_IDS:
        value = reading.value(name, within=within)
        found += value if isinstance(value, (list, tuple)) else [value]
    inside = [value for value in found if isinstance(value, int) and 0 <= value < high]
    return tuple(reversed(dict.fromkeys(reversed(inside))))


def text_dims(reading: Reading) -> tuple[Dim, ...]:
    """Return the dims of a text: one row for each choice in multiple choice."""
    longest = text_length(reading, TEXT, _ENCODER_POSITIONS)
    sequence = Axis("sequence", max=longest)
    if reading.with_past and not reading.takes("decoder_input_ids"):
        sequence = past_axes(longest)[0]
    if reading.task == "multiple-choice" or reading.head("ForMultipleChoice"):
        return (batch_axis(), _CHOICES, sequence)
    return (batch_axis(), sequence)


def text_length(reading: Reading, within: Hints, names: tuple[str, ...]) -> int:
    """Return how many tokens the position embeddings serve.

    Where positions are counted from the padding id, the first ``pad_token_id + 1`` rows of the table are unused.
    """
    longest = reading.number(*names, within=within)
    if longest is None:
        return UNLIMITED_SEQUENCE
    if reading.value("rope_theta", "rope_parameters", "rope_scaling", "rotary_dim", "global_rope_theta", within=within):
        longest = min(longest, LONGEST_ROTARY)
    if counts_from_padding(reading.model_class):
        longest -= (reading.number("pad_token_id", within=within) or 0) + 1
    buckets = reading.number("num_hash_buckets", within=within)  # CANINE's table of positions has as many rows
    return max(1, min(longest, buckets or longest, LONGEST))


def language_ids(reading: Reading) -> TensorSpec | None:
    """Which of the model's languages each row is in; None where the configuration lists none."""
    languages = reading.value("languages")
    count = len(languages) if isinstance(languages, (list, tuple)) else 0
    return TensorSpec(batch_axis(), dtype=torch.int64, low=0, high=count) if count else None


def inputs_embeds(reading: Reading) -> TensorSpec | None:
    """Embeddings in place of identifiers, where they were asked for or are the main input."""
    asked = reading.embeds and feeds_text(reading)
    if not asked and reading.main_input != "inputs_embeds":
        return None
    width = reading.require(
        "embedding_size", "word_embed_proj_dim", "hidden_size", "d_model", within=TEXT, needed_by="inputs_embeds"
    )
    return TensorSpec(*text_dims(reading), width)


def token_type_ids(reading: Reading) -> TensorSpec | None:
    """Segments; a model with one type has nothing to tell apart. In tables a channel for each kind of type."""
    if not feeds_text(reading):
        return None
    channels = reading.value("type_vocab_sizes")
    if channels:
        highs = torch.tensor(list(channels))

        def types(generator: torch.Generator, shape: tuple[int, ...]) -> torch.Tensor:
            return (torch.rand(shape, generator=generator) * highs).long()

        return TensorSpec(*text_dims(reading), len(channels), dtype=torch.int64, role="types", fill=types)
    count = reading.number("type_vocab_size", within=TEXT) or 0
    if count < 2:
        return None
    return TensorSpec(*text_dims(reading), dtype=torch.int64, low=0, high=count, role="types", optional=True)


def bbox(reading: Reading) -> TensorSpec:
    """Where each token stands on the page: x0, y0, x1, y1."""
    high = reading.number("max_2d_position_embeddings") or _PAGE
    return TensorSpec(*text_dims(reading), 4, dtype=torch.int64, low=0, high=min(high, _PAGE), role="boxes")


def xpath_tags(reading: Reading) -> TensorSpec:
    """The tags above each token in its page, from the root down."""
    return _xpath(reading, "xpath_tags_seq", "max_xpath_tag_unit_embeddings")


def xpath_subscripts(reading: Reading) -> TensorSpec:
    """Which of its equal neighbours each of those tags is."""
    return _xpath(reading, "xpath_subs_seq", "max_xpath_subs_unit_embeddings")


def _xpath(reading: Reading, name: str, units: str) -> TensorSpec:
    depth = reading.require("max_depth", needed_by=name)
    return TensorSpec(*text_dims(reading), depth, dtype=torch.int64, low=0, high=reading.require(units, needed_by=name))


def decoder_dims(reading: Reading) -> tuple[Dim, ...]:
    """Return the dims of what a decoder has written so far."""
    longest = text_length(reading, DECODER, _DECODER_POSITIONS)
    if reading.with_past:
        longest = past_axes(longest)[0].max
    return (batch_axis(), Axis("decoder_sequence", max=longest))


def decoder_input_ids(reading: Reading) -> TensorSpec | None:
    """What the decoder has written so far; heads that read one text twice make it from input_ids themselves."""
    if reading.head("ForSequenceClassification", "ForQuestionAnswering"):
        return None
    codebooks = reading.number("num_channels", within=("decoder",)) if reading.value("delay_pattern") else None
    dims = (*decoder_dims(reading), codebooks) if codebooks else decoder_dims(reading)
    return identifiers(reading, dims, DECODER, "decoder_input_ids")


def codes(reading: Reading) -> TensorSpec:
    """A text and the codes of a sound, side by side at every step."""
    count = reading.require("num_codebooks", needed_by="input_ids")
    high = min(reading.require(name, needed_by="input_ids") for name in ("vocab_size", "codebook_vocab_size"))
    return TensorSpec(*text_dims(reading), count + 1, dtype=torch.int64, low=0, high=high)


def tracks(reading: Reading) -> TensorSpec:
    """The codes of a sound, the codebooks of each row below one another."""
    count = reading.require("num_codebooks", needed_by="input_ids")
    batch, *_, sequence = text_dims(reading)
    high = reading.require("vocab_size", needed_by="input_ids")
    return TensorSpec(f"{count}*{dim_name(batch)}", sequence, dtype=torch.int64, low=0, high=high)


def past_length(reading: Reading) -> Axis:
    """Return the axis of cached tokens."""
    if reading.takes("decoder_input_ids"):
        return past_axes(text_length(reading, DECODER, _DECODER_POSITIONS))[1]
    if cache_keyword(reading.parameters):
        return past_axes(text_length(reading, TEXT, _ENCODER_POSITIONS))[1]
    names = " or ".join(KEYWORDS)
    raise undeclared(
        reading, KEYWORDS[-1], f"the task {reading.task!r} needs a cache, and forward takes none: no {names}"
    )


def global_attention_mask(reading: Reading) -> TensorSpec:
    """1 where a token is seen by all: the first one, so that no separators need stand in every row."""

    def first_position(generator: torch.Generator, shape: tuple[int, ...]) -> torch.Tensor:  # noqa: ARG001
        return (torch.arange(shape[-1]) == 0).long().expand(shape).clone()

    return TensorSpec(*text_dims(reading), dtype=torch.int64, fill=first_position)
