from __future__ import annotations

from typing import Any

import pytest
from shrunk import config_of, shrunk

from pytest_torchscript.errors import ModelError
from pytest_torchscript.models.construct import build
from pytest_torchscript.models.resolve import count_parameters
from pytest_torchscript.models.shrink import shrink, shrink_config
from pytest_torchscript.models.tasks import model_class_for

TEXT = ["Albert", "Bert", "Bloom", "Canine", "CodeGen", "ConvBert", "Deberta", "DebertaV2", "DistilBert", "Electra",
        "Flaubert",
        "FNet", "Funnel", "Gemma", "GPT2", "GPTJ", "GPTNeo", "IBert", "LayoutLM", "LayoutLMv3", "Llama", "MarkupLM", "Mistral",
        "Mixtral", "MobileBert", "ModernBert", "MPNet", "Nystromformer", "OPT", "Phi", "Reformer", "RoFormer", "Rwkv",
        "SqueezeBert", "Tapas", "XLM", "XLMRobertaXL", "XLNet", "Mamba", "Mamba2", "GPTNeoX", "Qwen2"]  # fmt: skip
OTHERS = ["Bart", "BigBird", "BigBirdPegasus", "Blenderbot", "LED", "Longformer", "LongT5", "M2M100", "Marian", "MT5", "T5",
          "Beit", "Data2VecVision", "Dinov2", "EfficientNet", "Levit", "MobileNetV2", "MobileViT", "ResNet", "Segformer",
          "Swin",
          "ViT", "Yolos", "Hubert", "SpeechT5", "Wav2Vec2", "WavLM", "Whisper", "AST", "CLIP", "Lxmert", "Siglip",
          "TrOCR", "Vilt", "Perceiver"]  # fmt: skip


@pytest.mark.parametrize("name", TEXT + OTHERS)
def test_tiny_models_are_tiny_and_of_the_same_architecture(name: str) -> None:
    config = config_of(name)
    small = shrunk(name)
    assert type(small) is type(config)
    assert count_parameters(build(model_class_for(small, "default"), small, meta=False)) < 2.6e6


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Bert", ["max_position_embeddings", "type_vocab_size", "hidden_act"]),
        ("BigBird", ["block_size", "num_random_blocks", "attention_type", "max_position_embeddings"]),
        ("LongT5", ["local_radius", "global_block_size", "encoder_attention_type"]),
        ("Swin", ["window_size", "patch_size", "image_size", "num_heads"]),
        ("ViT", ["image_size", "patch_size"]),
        ("Wav2Vec2", ["conv_stride", "conv_kernel", "num_feat_extract_layers", "num_conv_pos_embeddings"]),
        ("Whisper", ["num_mel_bins", "max_source_positions", "max_target_positions"]),
        ("Mistral", ["sliding_window"]),
        ("Canine", ["downsampling_rate", "local_transformer_stride", "num_hash_buckets"]),
        ("Tapas", ["type_vocab_sizes", "max_position_embeddings"]),
        ("SqueezeBert", ["q_groups", "intermediate_groups"]),
    ],
)
def test_windows_blocks_and_positions_stay(name: str, kept: list[str]) -> None:
    config, small = config_of(name), shrunk(name)
    for attribute in kept:
        left, right = getattr(small, attribute), getattr(config, attribute)
        assert (list(left) == list(right)) if isinstance(right, (list, tuple)) else (left == right)


def test_the_configuration_given_is_not_changed() -> None:
    config = config_of("CLIP")
    before = config.to_dict()
    shrink_config(config, model_class_for(config, "default"))
    assert config.to_dict() == before


def test_heads_of_tasks_too() -> None:
    for name, task in (
        ("Bert", "question-answering"),
        ("GPT2", "causal-lm"),
        ("Wav2Vec2", "ctc"),
        ("Bart", "seq2seq-lm"),
    ):
        small = shrunk(name, task)
        assert count_parameters(build(model_class_for(small, task), small)) < 1e6


def test_a_trap_that_no_rule_knows_is_left_as_it_was() -> None:
    """A class that insists on one of its numbers: everything else is shrunk all the same."""
    from transformers import BertConfig, BertModel

    class Insists(BertModel):  # type: ignore[misc]
        def __init__(self, config: Any) -> None:
            if config.intermediate_size != 3072:
                raise ValueError("intermediate_size must be 3072")
            super().__init__(config)

    small = shrink_config(BertConfig(), Insists)
    assert small.intermediate_size == 3072
    assert small.hidden_size < 100

    class InsistsOnTwo(Insists):
        def __init__(self, config: Any) -> None:
            if config.vocab_size != 30522:
                raise ValueError("vocab_size must be 30522")
            super().__init__(config)

    small = shrink_config(BertConfig(), InsistsOnTwo)
    assert (small.intermediate_size, small.vocab_size) == (3072, 30522)
    assert small.hidden_size < 100


def test_a_configuration_that_builds_nothing_says_so() -> None:
    from transformers import BertConfig, BertModel

    class Never(BertModel):  # type: ignore[misc]
        def __init__(self, config: Any) -> None:
            raise ValueError("never")

    with pytest.raises(ModelError, match="never"):
        shrink_config(BertConfig(), Never)


def test_the_module_that_showed_it_is_handed_on() -> None:
    from transformers import BertConfig, BertModel

    asked: list[Any] = []
    config, module = shrink(BertConfig(), BertModel, lambda module: asked.append(module))  # type: ignore[func-returns-value]
    assert module is asked[-1]
    assert module is not None
    assert module.embeddings.word_embeddings.weight.shape == (config.vocab_size, config.hidden_size)
