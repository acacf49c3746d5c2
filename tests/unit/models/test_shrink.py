from __future__ import annotations

from typing import Any

import pytest

from pytest_torchscript.errors import ModelError
from pytest_torchscript.models.construct import build
from pytest_torchscript.models.resolve import count_parameters
from pytest_torchscript.models.shrink import apply, shrink_config
from pytest_torchscript.models.shrink_rules import propose, tree
from pytest_torchscript.models.tasks import model_class_for


def config_of(name: str, **values: Any) -> Any:
    import torch
    import transformers

    if name == "ModernBert" and torch.__version__.startswith("1."):
        pytest.skip("ModernBERT cannot be imported with torch 1")
    kind = getattr(transformers, f"{name}Config", None)
    if kind is None:
        pytest.skip(f"transformers {transformers.__version__} has no {name}Config")
    return kind(**values)


def shrunk(name: str, task: str = "default", **values: Any) -> Any:
    config = config_of(name, **values)
    return shrink_config(config, model_class_for(config, task))


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


def test_one_entry_a_layer_is_cut_and_keeps_every_kind() -> None:
    small = shrunk("Longformer", attention_window=[32, 64] * 6)
    assert sorted(set(small.attention_window)) == [32, 64]
    assert len(small.attention_window) == small.num_hidden_layers
    small = shrunk("GPTNeo")
    assert sorted(set(small.attention_layers)) == ["global", "local"]


def test_special_ids_move_with_the_vocabulary() -> None:
    config = config_of("Marian", vocab_size=58101, pad_token_id=58100, decoder_start_token_id=58100, eos_token_id=0)
    small = shrink_config(config, model_class_for(config, "default"))
    assert (small.vocab_size, small.pad_token_id, small.decoder_start_token_id, small.eos_token_id) == (
        1024,
        1023,
        1023,
        0,
    )
    text = {"vocab_size": 49408, "eos_token_id": 49407, "bos_token_id": 49406}
    clip = shrunk("CLIP", text_config=text)
    assert clip.text_config.eos_token_id == clip.text_config.vocab_size - 1
    assert clip.text_config.bos_token_id == clip.text_config.vocab_size - 2


def test_what_belongs_together_stays_together() -> None:
    layout = shrunk("LayoutLMv3")
    assert layout.hidden_size == 4 * layout.coordinate_size + 2 * layout.shape_size
    codegen = shrunk("CodeGen")
    assert codegen.n_head % 4 == 0
    assert codegen.rotary_dim <= codegen.n_embd // codegen.n_head
    efficient = shrunk("EfficientNet")
    assert efficient.hidden_dim == round(1280 * efficient.width_coefficient)
    t5 = shrunk("T5")
    assert t5.num_heads * t5.d_kv == t5.d_model
    funnel = shrunk("Funnel")
    assert len(funnel.block_sizes) == 3
    clip = shrunk("CLIP")
    assert clip.text_config.hidden_size % clip.text_config.num_attention_heads == 0
    mamba = shrunk("Mamba2")
    assert mamba.num_heads * mamba.head_dim == mamba.expand * mamba.hidden_size


def test_grouped_heads_keep_their_ratio_where_they_can() -> None:
    small = shrunk("Llama", num_attention_heads=32, num_key_value_heads=16)
    assert small.num_attention_heads == 2 * small.num_key_value_heads


def test_derived_values_are_derived_anew() -> None:
    small = shrunk("Levit")
    assert small.down_ops[0][2] == small.hidden_sizes[0] // small.key_dim[0]


def test_outputs_taken_from_layers_are_taken_from_those_left() -> None:
    config = config_of("Dinov2", out_indices=[3, 6, 9, 12])
    small = shrink_config(config, model_class_for(config, "default"))
    assert small.num_hidden_layers == 4
    assert list(small.out_indices) == [1, 2, 3, 4]


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


def test_changes_name_their_place_in_the_tree() -> None:
    config = config_of("CLIP")
    paths = {path for path, _ in tree(config)}
    assert {(), ("text_config",), ("vision_config",)} <= paths
    changes = propose(config)
    assert {change.path for change in changes} <= paths
    assert apply(config, changes).vision_config.hidden_size == 48
