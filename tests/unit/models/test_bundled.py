"""The bundled configurations: every id loads, and what they build has the published number of parameters."""

from __future__ import annotations

import copy
import json
from importlib.resources import files
from typing import Any

import pytest
import torch

from pytest_torchscript.models.bundled import bundled_config, bundled_names

transformers = pytest.importorskip("transformers")

#: Published parameters of the bare model (AutoModel); a shared weight counts once.
BARE = {
    "google-bert/bert-base-uncased": 109_482_240,
    "google-bert/bert-base-cased": 108_310_272,
    "google-bert/bert-large-uncased": 335_141_888,
    "google-bert/bert-base-multilingual-cased": 177_853_440,
    "google/bert_uncased_L-2_H-128_A-2": 4_385_920,
    "sentence-transformers/all-MiniLM-L6-v2": 22_713_216,
    "sentence-transformers/all-MiniLM-L12-v2": 33_360_000,
    "FacebookAI/roberta-base": 124_645_632,
    "FacebookAI/roberta-large": 355_359_744,
    "distilbert/distilroberta-base": 82_118_400,
    "FacebookAI/xlm-roberta-base": 278_043_648,
    "FacebookAI/xlm-roberta-large": 559_890_432,
    "almanach/camembert-base": 110_621_952,
    "microsoft/mpnet-base": 109_486_464,
    "distilbert/distilbert-base-uncased": 66_362_880,
    "distilbert/distilbert-base-cased": 65_190_912,
    "albert/albert-base-v2": 11_683_584,
    "albert/albert-large-v2": 17_683_968,
    "google/electra-base-discriminator": 108_891_648,
    "microsoft/deberta-base": 138_601_728,
    "microsoft/deberta-v3-base": 183_831_552,
    "microsoft/deberta-v3-small": 141_304_320,
    "google/mobilebert-uncased": 24_581_888,
    "google/canine-s": 132_082_944,
    "xlnet/xlnet-base-cased": 116_718_336,
    "allenai/longformer-base-4096": 148_659_456,
    "openai-community/gpt2": 124_439_808,
    "openai-community/gpt2-medium": 354_823_168,
    "distilbert/distilgpt2": 81_912_576,
    "openai-community/openai-gpt": 116_534_784,
    "facebook/bart-base": 139_420_416,
    "facebook/bart-large": 406_291_456,
    "google/vit-base-patch16-224": 86_389_248,
    "facebook/dinov2-base": 86_580_480,
    "facebook/dinov2-small": 22_056_576,
    "microsoft/swin-tiny-patch4-window7-224": 27_519_354,
    "microsoft/resnet-50": 23_508_032,
    "nvidia/segformer-b0-finetuned-ade-512-512": 3_319_392,
    "facebook/wav2vec2-base": 94_371_712,
    "facebook/hubert-base-ls960": 94_371_712,
    "microsoft/wavlm-base": 94_381_936,
    "openai/clip-vit-base-patch32": 151_277_313,
    "openai/clip-vit-large-patch14": 427_616_513,
    "google/siglip-base-patch16-224": 203_155_970,
    "nomic-ai/nomic-embed-text-v1.5": 136_731_648,
    "answerdotai/ModernBERT-base": 149_014_272,
}

#: Published parameters of the class that the configuration names (``architectures``), counted likewise.
HEAD = {
    "distilbert/distilbert-base-uncased-finetuned-sst-2-english": 66_955_010,
    "EleutherAI/gpt-neo-125m": 125_198_592,
    "EleutherAI/gpt-j-6b": 6_050_882_784,
    "Salesforce/codegen-350M-mono": 356_712_448,
    "bigscience/bloom-560m": 559_214_592,
    "facebook/opt-125m": 125_239_296,
    "EleutherAI/pythia-70m": 70_426_624,
    "EleutherAI/pythia-160m": 162_322_944,
    "TinyLlama/TinyLlama-1.1B-Chat-v1.0": 1_100_048_384,
    "HuggingFaceTB/SmolLM2-135M": 134_515_008,
    "meta-llama/Llama-2-7b-hf": 6_738_415_616,
    "meta-llama/Llama-3.2-1B": 1_235_814_400,
    "Qwen/Qwen2-0.5B": 494_032_768,
    "Qwen/Qwen3-0.6B": 596_049_920,
    "mistralai/Mistral-7B-v0.1": 7_241_732_096,
    "google/gemma-2b": 2_506_172_416,
    "microsoft/phi-1_5": 1_418_270_720,
    "microsoft/Phi-3-mini-4k-instruct": 3_821_079_552,
    "state-spaces/mamba-130m-hf": 129_135_360,
    "RWKV/rwkv-4-169m-pile": 169_342_464,
    "google-t5/t5-small": 60_506_624,
    "google-t5/t5-base": 222_903_552,
    "facebook/bart-large-cnn": 406_290_432,
    "facebook/m2m100_418M": 483_905_536,
    "facebook/nllb-200-distilled-600M": 615_073_792,
    "Helsinki-NLP/opus-mt-en-de": 73_886_208 + 2 * 512 * 512,  # two tables of sinusoids, fixed: not published
    "facebook/blenderbot-400M-distill": 364_802_560,
    "facebook/blenderbot_small-90M": 87_508_992,
    "allenai/led-base-16384": 161_844_480,
    "google/vit-base-patch16-224": 86_567_656,
    "facebook/deit-tiny-patch16-224": 5_717_416,
    "microsoft/swin-tiny-patch4-window7-224": 28_288_354,
    "microsoft/resnet-50": 25_557_032,
    "microsoft/resnet-18": 11_689_512,
    "facebook/convnext-tiny-224": 28_589_128,
    "facebook/convnextv2-tiny-1k-224": 28_635_496,
    "google/mobilenet_v2_1.0_224": 3_506_153,
    "google/efficientnet-b0": 5_288_548,
    "nvidia/segformer-b0-finetuned-ade-512-512": 3_752_694,
    "microsoft/swinv2-tiny-patch4-window8-256": 28_347_154,
    "facebook/wav2vec2-base-960h": 94_396_320,
    "openai/whisper-tiny": 37_760_640,
    "openai/whisper-base": 72_593_920,
    "microsoft/trocr-base-handwritten": 333_921_792,
    "nlpconnect/vit-gpt2-image-captioning": 239_195_904,
    "deepmind/language-perceiver": 201_108_230,
    "answerdotai/ModernBERT-base": 149_655_232,
    "microsoft/beit-base-patch16-224": 86_530_984,
    "facebook/deit-base-distilled-patch16-224": 87_338_192,
    "facebook/levit-128S": 7_777_058,
    "apple/mobilevit-small": 5_578_632,
    "microsoft/resnet-101": 44_549_160,
    "google/mobilenet_v1_1.0_224": 4_233_001,
    "google/bigbird-pegasus-large-arxiv": 576_891_904,
    "dslim/bert-base-NER": 107_726_601,
    "dandelin/vilt-b32-finetuned-vqa": 117_588_537,
}

#: One id at least for every architecture of the export guides and the others measured.
MODEL_TYPES = {
    "albert",
    "audio-spectrogram-transformer",
    "bart",
    "beit",
    "bert",
    "big_bird",
    "bigbird_pegasus",
    "blenderbot",
    "blenderbot-small",
    "bloom",
    "camembert",
    "canine",
    "clip",
    "codegen",
    "convbert",
    "convnext",
    "convnextv2",
    "data2vec-text",
    "data2vec-vision",
    "deberta",
    "deberta-v2",
    "deit",
    "detr",
    "dinov2",
    "distilbert",
    "efficientnet",
    "electra",
    "flaubert",
    "fnet",
    "funnel",
    "gemma",
    "gpt2",
    "gpt_neo",
    "gptj",
    "hubert",
    "ibert",
    "layoutlm",
    "layoutlmv3",
    "levit",
    "llama",
    "longformer",
    "longt5",
    "lxmert",
    "m2m_100",
    "mamba",
    "marian",
    "markuplm",
    "mbart",
    "mistral",
    "mobilebert",
    "mobilenet_v2",
    "mobilevit",
    "modernbert",
    "mpnet",
    "mt5",
    "nomic_bert",
    "nystromformer",
    "opt",
    "perceiver",
    "phi",
    "plbart",
    "qwen2",
    "reformer",
    "resnet",
    "roberta",
    "roformer",
    "rwkv",
    "segformer",
    "siglip",
    "speecht5",
    "squeezebert",
    "swin",
    "t5",
    "tapas",
    "time_series_transformer",
    "vilt",
    "vision-encoder-decoder",
    "vit",
    "wav2vec2",
    "wavlm",
    "whisper",
    "xlm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xlnet",
    "yolos",
}


def canonical_names() -> list[str]:
    folder = files("pytest_torchscript.models").joinpath("configurations")
    return [name for file in folder.iterdir() for name in json.loads(file.read_text(encoding="utf-8"))]


def load(identifier: str) -> Any:
    config = bundled_config(identifier)
    assert config is not None
    model_type = config.pop("model_type")
    if model_type not in transformers.CONFIG_MAPPING:
        pytest.skip(f"transformers {transformers.__version__} has no model type {model_type!r}")
    return transformers.AutoConfig.for_model(model_type, **config)


def count_parameters(build: Any) -> int:
    if torch.__version__ < "2":
        pytest.skip("torch.device is no context manager before torch 2.0")
    with torch.device("meta"):
        model = build()
    return sum(parameter.numel() for parameter in model.parameters())


def test_unknown_identifier_has_no_configuration() -> None:
    assert bundled_config("nobody/no-such-model") is None
    assert bundled_config("") is None


def test_identifiers_are_case_sensitive() -> None:
    assert bundled_config("BERT-base-uncased") is None


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("bert-base-uncased", "google-bert/bert-base-uncased"),
        ("roberta-base", "FacebookAI/roberta-base"),
        ("gpt2", "openai-community/gpt2"),
        ("t5-small", "google-t5/t5-small"),
        ("camembert-base", "almanach/camembert-base"),
        (
            "distilbert-base-uncased-finetuned-sst-2-english",
            "distilbert/distilbert-base-uncased-finetuned-sst-2-english",
        ),
    ],
)
def test_short_and_full_name_give_the_same(short: str, full: str) -> None:
    assert bundled_config(short) == bundled_config(full) is not None


def test_caller_owns_the_dictionary() -> None:
    first = bundled_config("microsoft/swin-tiny-patch4-window7-224")
    assert first is not None
    untouched = copy.deepcopy(first)
    first["depths"].append(9)
    del first["model_type"]
    assert bundled_config("microsoft/swin-tiny-patch4-window7-224") == untouched


def test_names_are_sorted_unique_and_known() -> None:
    names = bundled_names()
    assert list(names) == sorted(set(names))
    assert all(bundled_config(name) for name in names)


def test_every_architecture_has_an_identifier() -> None:
    known = {(bundled_config(name) or {})["model_type"] for name in canonical_names()}
    assert known >= MODEL_TYPES


@pytest.mark.parametrize("name", canonical_names())
def test_configuration_loads(name: str) -> None:
    entry = bundled_config(name)
    assert entry is not None
    config = load(name)
    assert config.model_type == entry["model_type"]
    assert config.architectures == entry["architectures"]
    assert config.num_labels == entry.get("num_labels", len(config.id2label))
    assert set(entry["architectures"]) <= set(dir(transformers))


@pytest.mark.parametrize("name", BARE)
def test_bare_model_has_the_published_parameters(name: str) -> None:
    config = load(name)
    assert count_parameters(lambda: transformers.AutoModel.from_config(config)) == BARE[name]


@pytest.mark.parametrize("name", HEAD)
def test_named_class_has_the_published_parameters(name: str) -> None:
    config = load(name)
    assert count_parameters(lambda: getattr(transformers, config.architectures[0])(config)) == HEAD[name]


def test_labels_of_a_classifier() -> None:
    config = load("distilbert-base-uncased-finetuned-sst-2-english")
    assert config.id2label == {0: "NEGATIVE", 1: "POSITIVE"}
    assert config.label2id == {"NEGATIVE": 0, "POSITIVE": 1}


def test_rope_base_is_kept() -> None:
    config = load("HuggingFaceTB/SmolLM2-135M")
    parameters = getattr(config, "rope_parameters", None) or {"rope_theta": config.rope_theta}
    assert parameters["rope_theta"] == 100000.0


def test_detection_needs_no_timm() -> None:
    backbone = load("facebook/detr-resnet-50").backbone_config
    assert backbone.model_type == "resnet"
