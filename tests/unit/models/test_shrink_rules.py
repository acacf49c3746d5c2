from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from shrunk import config_of, shrunk
from torch import nn
from transformers import BertConfig, BertModel, PretrainedConfig

from pytest_torchscript.models.shrink import apply, shrink_config
from pytest_torchscript.models.shrink_rules import Change, propose, tree
from pytest_torchscript.models.tasks import model_class_for


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


def test_changes_name_their_place_in_the_tree() -> None:
    config = config_of("CLIP")
    paths = {path for path, _ in tree(config)}
    assert {(), ("text_config",), ("vision_config",)} <= paths
    changes = propose(config)
    assert {change.path for change in changes} <= paths
    assert apply(config, changes).vision_config.hidden_size == 48


def changed(model: str, way: Mapping[str, Any] | None = None, **values: object) -> dict[str, object]:
    config = config_of(model)
    for name, value in values.items():
        setattr(config, name, value)
    return {change.name: change.value for change in propose(config, **(way or {"pictures": True}))}


def test_large_square_pictures_become_smaller_with_the_maps_of_their_features() -> None:
    found = changed("ViT", image_size=1024, backbone_feature_sizes=[[256, 256], [64, 64]])
    assert found["image_size"] == 256
    assert found["backbone_feature_sizes"] == [[64, 64], [16, 16]]
    assert changed("ViT", image_size=[1024, 1024])["image_size"] == [256, 256]
    for size in (224, 512, [800, 1333]):
        assert "image_size" not in changed("ViT", image_size=size)


def test_a_multiple_of_the_main_width_stays_that_multiple() -> None:
    found = changed("Bert", hidden_size=3712, attention_hidden_size=7424)
    assert found["attention_hidden_size"] == 2 * found["hidden_size"]  # type: ignore[operator]


def test_widths_a_stage_are_widths_and_blocks_by_their_place_keep_all_blocks() -> None:
    found = changed("Bert", embed_dim_per_stage=[96, 192], blocks_per_stage=[1, 7])
    assert found["embed_dim_per_stage"] == [24, 48]
    assert found["blocks_per_stage"] == [1, 2]
    placed = changed("Bert", blocks_per_stage=[1, 7], global_attention_blocks=[5])
    assert not {"blocks_per_stage", "global_attention_blocks"} & set(placed)


def test_a_pyramid_keeps_widths_that_its_heads_divide() -> None:
    swin = changed("Swin", hidden_size=768, num_heads=[3, 6], embed_dim=96, depths=[2, 2])
    assert swin.get("embed_dim", 96) % 6 == 0  # type: ignore[operator]


def test_filters_that_double_from_stage_to_stage_are_few() -> None:
    found = changed("Bert", num_filters=64, upsample_initial_channel=512, num_embeddings=16384, upsample_groups=768)
    assert found["num_filters"] == 8
    assert found["upsample_initial_channel"] == 64
    assert found["num_embeddings"] == 1024
    assert found["upsample_groups"] == found["hidden_size"]


def test_vocabularies_of_other_names_and_channels_of_stages_shrink_too() -> None:
    found = changed("Bert", vocab_size_per_layer_input=262144, byte_group_vocab=500002, stage_out_channels=[128, 2048])
    assert (found["vocab_size_per_layer_input"], found["byte_group_vocab"]) == (1024, 1024)
    assert found["stage_out_channels"] == [8, 64]


def test_what_is_a_multiple_of_the_first_stage_stays_that() -> None:
    found = changed(
        "Bert", patch_embeds_hidden_size=96, hidden_size=768, intermediate_size=16384, intermediate_size_mlp=8192
    )
    assert found["hidden_size"] == 8 * found["patch_embeds_hidden_size"]  # type: ignore[operator]
    assert found["intermediate_size_mlp"] == 512


def test_a_coefficient_of_a_part_scales_the_whole() -> None:
    config = config_of("VisionTextDualEncoder", vision_config={"model_type": "vit"}, text_config={"model_type": "bert"})
    config.vision_config.width_coefficient, config.projection_dim = 2.0, 640
    assert {change.name: change.value for change in propose(config)}["projection_dim"] == 80


def test_of_the_blocks_of_a_stage_the_first_and_the_last_are_kept_with_their_widths_shrunk() -> None:
    found = changed(
        "Bert",
        hidden_size=256,
        block_configs=[[[3, 96, 128, [2, 1], True]], [[5, 128, 192, 2, False], *[[5, 192, 192, 1, False]] * 5]],
    )
    assert found["block_configs"] == [[[3, 24, 32, [2, 1], True]], [[5, 32, 48, 2, False], [5, 48, 48, 1, False]]]


def test_layers_of_a_part_whose_maps_are_taken_keep_their_order_and_the_widths_of_maps_shrink() -> None:
    found = changed("Bert", intermediate_hook_ids=[11, 5], scaled_images_feature_dims=[1024, 512])
    assert found["intermediate_hook_ids"] == [1, 0]
    assert found["scaled_images_feature_dims"] == [64, 32]


class SumConfig(PretrainedConfig):  # type: ignore[misc]
    """Computes the width of two parts side by side where it is not given."""

    model_type = "sum"

    def __init__(self, left: int = 768, right: int = 256, hidden_size: int | None = None, **values: Any) -> None:
        self.left, self.right = left, right
        self.hidden_size = left + right if hidden_size is None else hidden_size
        super().__init__(**values)


def test_what_a_class_computes_where_it_is_not_given_can_be_left_to_it() -> None:
    changes = propose(SumConfig(), computed=True)
    assert Change((), "hidden_size", None) in changes
    assert apply(SumConfig(left=16), changes).hidden_size == 16 + 256
    assert Change((), "hidden_size", 64) in propose(SumConfig(hidden_size=4096), computed=True)


def test_a_pyramid_that_was_not_told_which_maps_to_hand_on_can_hand_on_all() -> None:
    config = config_of("ResNet")
    assert "out_indices" not in changed("ResNet")
    assert {change.name: change.value for change in propose(config, stages=True)}["out_indices"] == [1, 2, 3, 4]
    told = config_of("ResNet", out_indices=[2, 4])
    assert "out_indices" not in {change.name for change in propose(told, stages=True)}


def test_a_window_can_be_stated_where_none_is() -> None:
    assert changed("Bert", {"windows": True}, sliding_window=None)["sliding_window"] == 128
    assert "sliding_window" not in changed("Bert", sliding_window=None)
    assert "sliding_window" not in changed("Bert", {"windows": True}, sliding_window=64)


def test_another_way_is_gone_where_the_usual_one_makes_a_model_that_does_not_run() -> None:
    config = config_of("ResNet")

    def fault(module: nn.Module) -> str | None:
        return None if len(module.config.out_indices) == 4 else "too few maps"

    small = shrink_config(config, model_class_for(config, "default"), fault)
    assert list(small.out_indices) == [1, 2, 3, 4]
    assert max(small.hidden_sizes) < max(config.hidden_sizes)


def test_what_a_head_turns_is_shared_among_time_and_places_in_either_order() -> None:
    rotary = {"rope_theta": 1e4, "rope_type": "default"}
    for way, shares in ((1, [2, 3, 3]), (-1, [3, 3, 2])):
        found = changed("Bert", {"sections": way}, hidden_size=1024, num_attention_heads=16, rope_parameters=rotary)
        assert found["rope_parameters"] == {**rotary, "mrope_section": shares}


def test_two_layers_of_each_kind_are_kept_where_later_ones_use_what_earlier_ones_keep() -> None:
    kinds = ["sliding", "sliding", "full", "sliding", "sliding", "full", "full"]
    values = {"num_hidden_layers": 7, "layer_types": kinds, "num_kv_shared_layers": 3}
    found = changed("Bert", {"twice": True}, **values)
    assert found["layer_types"] == ["sliding", "full", "sliding", "full"]
    assert (found["num_hidden_layers"], found["num_kv_shared_layers"]) == (4, 2)
    assert changed("Bert", **values)["layer_types"] == ["sliding", "full"]


def test_what_single_layers_have_of_their_own_is_shrunk() -> None:
    class Layered(BertConfig):  # type: ignore[misc]
        def to_dict(self) -> dict[str, Any]:
            own = {"kv_lora_rank": 1024, "num_attention_heads": 24, "qk_nope_head_dim": 192}
            return {**super().to_dict(), "per_layer_config": {"02": own, "03": own}}

    config = Layered(num_hidden_layers=4)
    config.layer_types = ["full", "full", "sliding", "sliding"]
    config.head_dim, config.qk_rope_head_dim = 256, 64
    found = {change.name: change.value for change in propose(config, alone=True)}
    assert found["layer_types"] == ["full", "sliding"]
    ((place, own),) = found["per_layer_config"].items()
    assert (place, own["kv_lora_rank"], own["num_attention_heads"]) == (1, 64, 8)
    assert own["head_dim"] == own["qk_nope_head_dim"] + found["qk_rope_head_dim"]
    assert "per_layer_config" not in {change.name for change in propose(config)}


def test_widths_are_multiples_of_a_larger_step_or_narrower_on_demand() -> None:
    assert changed("Bert", {"step": 64}, hidden_size=768, intermediate_size=3072)["intermediate_size"] == 256
    assert changed("Bert", {"step": 64}, hidden_size=768)["hidden_size"] == 64
    assert changed("Bert", {"narrower": 2}, hidden_size=768, num_filters=64)["hidden_size"] == 24
    assert changed("Bert", {"narrower": 2}, num_filters=64)["num_filters"] == 4


def test_a_multiple_of_a_width_that_is_small_itself_is_shrunk_all_the_same() -> None:
    found = changed("CLIP", {}, hidden_size=8, base_channels=128)
    assert found["base_channels"] == 8


def test_a_number_that_is_stored_under_another_name_than_it_is_given_by_is_no_derived_one() -> None:
    class Stored(PretrainedConfig):  # type: ignore[misc]
        model_type = "stored"
        attribute_map: ClassVar[dict[str, str]] = {"num_hidden_layers": "n_layers"}

        def __init__(self, num_hidden_layers: int = 24, **values: Any) -> None:
            self.num_hidden_layers = num_hidden_layers
            super().__init__(**values)

    assert Change((), "n_layers", 2) in propose(Stored())


def test_parts_put_out_the_width_of_the_text_whatever_else_they_are_wide() -> None:
    config = config_of("LlavaNext")
    config.text_config.hidden_size, config.vision_config.adapter_out_dim = 5120, 5120
    found = {(*change.path, change.name): change.value for change in propose(config)}
    assert found["vision_config", "adapter_out_dim"] == found["text_config", "hidden_size"]


def test_a_model_that_is_not_tiny_yet_is_made_narrower() -> None:
    class Wide(BertModel):  # type: ignore[misc]
        """Has a layer whose width is the square of one."""

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.wide = nn.Linear(config.hidden_size**2, 3000)

    small = shrink_config(BertConfig(), Wide)
    assert (small.hidden_size, small.intermediate_size) == (24, 96)


def test_which_layers_are_of_another_kind_is_told_of_those_that_are_left() -> None:
    found = changed(
        "Bert", {}, num_hidden_layers=8, moe_layers=[0, 1, 2, 3, 4, 5, 6, 7], no_rope_layers=[1, 1, 1, 0, 1, 1, 1, 0]
    )
    assert (found["num_hidden_layers"], found["moe_layers"], found["no_rope_layers"]) == (2, [0, 1], [1, 0])


def test_codebooks_stand_one_behind_the_other_at_the_end_of_the_vocabulary() -> None:
    values = {"vocab_size": 266440, "codebook_size": 131072, "image_token_offset": 131272, "audio_token_offset": 262344}
    found = changed("Bert", {"codes": True, "step": 32}, **values)
    assert [found[name] for name in values] == [1024, 256, 512, 768]
    assert not {"codebook_size", "image_token_offset"} & set(changed("Bert", **values))
