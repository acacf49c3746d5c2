"""Real inputs from what a checkpoint brings: its tokenizer, its image processor or its feature extractor.

Nothing is downloaded, no remote code is run, and a processor that is missing, or that needs a library which is not
installed, yields nothing: real inputs join the synthetic ones, they never replace them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from pytest_torchscript.inputs.draw import bounds, dtype_of, generator_for, is_float
from pytest_torchscript.inputs.values import make_inputs
from pytest_torchscript.spec import InputSpec, Sizes, TensorSpec

Tensors = dict[str, torch.Tensor]

#: Unequal on purpose: one word, a question, numbers, another script, and one that is longer than the usual anchor.
SENTENCES = (
    "The ship left the harbour before anyone on the quay had noticed that its name was painted over.",
    "Yes.",
    "How many of the 1,250 tickets were sold by 7.30 p.m.?",
    "Paris is the capital of [MASK].",
    "Der Zug nach Zürich fährt heute von Gleis drei ab, nicht von Gleis zwölf.",
    "She said that she would come, and she came.",
    "今日は雨が降っています。",
    "A model that was traced with one sentence is asked about another, shorter one.",
)

_ENTRIES = {"input_ids", "pixel_values", "input_values", "input_features"}
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "spiece.model")
_PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")


def real_inputs(directory: str, spec: InputSpec, sizes: Sizes) -> Iterator[tuple[str, Tensors]]:
    """Yield named inputs at the given sizes, made by the checkpoint's own processors: texts, pictures, sounds.

    Texts are one batch of sentences of unequal lengths, padded and cut to the sizes, once single and once in pairs.
    What no processor makes (a decoder's ids, a box a token) is drawn as `make_inputs` draws it.
    """
    made: dict[str, list[Tensors]] = {}
    for makers, files in ((_text_makers(), _TOKENIZER_FILES), (_signal_makers(), _PROCESSOR_FILES)):
        if any((Path(directory) / name).is_file() for name in files):
            for label, maker in makers.items():
                found = _attempt(maker, directory, spec, sizes)
                if found:
                    made.setdefault(label, []).append(found)
    base = make_inputs(spec, sizes, seed=0)
    for label, parts in made.items():
        yield label, {**base, **{name: value for part in parts for name, value in part.items()}}


Maker = Callable[[str, InputSpec, Sizes], Mapping[str, Any]]


def _attempt(maker: Maker, directory: str, spec: InputSpec, sizes: Sizes) -> Tensors:
    """Return what a processor made and the model takes, or nothing."""
    try:
        encoded = maker(directory, spec, sizes)
    except Exception:  # what processors raise on a missing library or file is as varied as they are
        return {}
    found = {}
    shaped = spec.at(sizes)
    for name, value in encoded.items():
        fitted = _fitted(shaped[name], torch.as_tensor(value), sizes) if name in spec else None
        if fitted is not None:
            found[name] = fitted
    return found if found.keys() & _ENTRIES else {}  # a mask alone would call drawn ids real


def _fitted(spec: TensorSpec, value: torch.Tensor, sizes: Sizes) -> torch.Tensor | None:
    """Return a value in the input's dtype and shape, or None where it is out of the model's range (a shrunk one)."""
    shape = spec.shape(sizes)
    if value.numel() != torch.Size(shape).numel() or value.shape[-1:] != shape[-1:]:
        return None
    value = value.reshape(shape).to(dtype_of(spec))
    if is_float(spec) or spec.high is None:
        return value
    low, high = bounds(spec)
    return value if low <= int(value.min()) and int(value.max()) < high else None


def _text_makers() -> dict[str, Maker]:
    return {"real sentences": _sentences, "real sentence pairs": _pairs}


def _signal_makers() -> dict[str, Maker]:
    return {"real pictures": _pictures, "real sounds": _sounds}


def _sentences(directory: str, spec: InputSpec, sizes: Sizes) -> Mapping[str, Any]:
    tokenizer = _loaded("AutoTokenizer", directory)
    encoded = dict(_tokens(tokenizer, _cycled(_rows(spec, "input_ids", sizes)), sizes["sequence"]))
    if "decoder_input_ids" in spec:
        answers = _cycled(_rows(spec, "decoder_input_ids", sizes), start=3)
        encoded["decoder_input_ids"] = _tokens(tokenizer, answers, sizes["decoder_sequence"])["input_ids"]
    return encoded


def _pairs(directory: str, spec: InputSpec, sizes: Sizes) -> Mapping[str, Any]:
    if "token_type_ids" not in spec:
        return {}
    rows = _rows(spec, "input_ids", sizes)
    return _tokens(
        _loaded("AutoTokenizer", directory), _cycled(rows, start=1), sizes["sequence"], _cycled(rows, start=2)
    )


def _tokens(tokenizer: Any, texts: list[str], length: int, pairs: list[str] | None = None) -> Mapping[str, Any]:
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    encoded: Mapping[str, Any] = tokenizer(
        texts,
        pairs,
        padding="max_length",
        truncation=True,
        max_length=length,
        return_tensors="pt",
        return_token_type_ids=True,
    )
    return encoded


def _rows(spec: InputSpec, name: str, sizes: Sizes) -> int:
    """Return how many texts an input holds: choices are texts of their own."""
    return int(torch.Size(spec[name].shape(sizes)[:-1]).numel())


def _cycled(count: int, *, start: int = 0) -> list[str]:
    return [SENTENCES[(start + index) % len(SENTENCES)] for index in range(count)]


def _pictures(directory: str, spec: InputSpec, sizes: Sizes) -> Mapping[str, Any]:
    """Return pictures of smooth colours, made ready by the checkpoint's processor and fitted to height and width."""
    processor = _loaded("AutoImageProcessor", directory)
    shape = spec["pixel_values"].shape(sizes)
    pictures = [_picture(seed, shape[-2], shape[-1]) for seed in range(shape[0])]
    values = torch.as_tensor(processor(pictures, return_tensors="pt")["pixel_values"])
    return {"pixel_values": torch.nn.functional.interpolate(values, size=shape[-2:], mode="bilinear")}


def _picture(seed: int, height: int, width: int) -> Any:
    """Return a picture (height, width, 3) of bytes: waves of colour, unlike noise in that neighbours are alike."""
    phases = torch.rand(3, 3, generator=generator_for(seed, "picture")) * 6
    rows, columns = torch.linspace(0, 1, height)[:, None], torch.linspace(0, 1, width)[None]
    colours = [torch.sin(6 * rows * a + b) * torch.cos(6 * columns * c) for a, b, c in phases.tolist()]
    return ((torch.stack(colours, dim=-1) + 1) * 127).to(torch.uint8).numpy()


def _sounds(directory: str, spec: InputSpec, sizes: Sizes) -> Mapping[str, Any]:  # noqa: ARG001
    """Return tones of unequal lengths, made ready by the checkpoint's feature extractor."""
    extractor = _loaded("AutoFeatureExtractor", directory)
    batch = sizes.get("batch", 1)
    rate = int(getattr(extractor, "sampling_rate", 16000))
    longest = sizes.get("samples", rate)
    tones = [_tone(index, longest - index * longest // (2 * batch), rate) for index in range(batch)]
    fixed = {"padding": "max_length", "max_length": longest, "truncation": True} if "samples" in sizes else {}
    encoded: Mapping[str, Any] = extractor(tones, sampling_rate=rate, return_tensors="pt", **fixed)
    return encoded


def _tone(index: int, length: int, rate: int) -> Any:
    return (torch.sin(torch.arange(length) * (6.2832 * 220 * (index + 1) / rate)) * 0.5).numpy()


def _loaded(auto_class: str, directory: str) -> Any:
    import transformers

    loader = getattr(transformers, auto_class)
    return loader.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
