"""Very small models that generate, of several families. Imports transformers where one is made."""

from __future__ import annotations

import torch

#: An encoder and a decoder of two layers.
PAIR = {
    "vocab_size": 60,
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": 64,
}


def lively(model, seed=0):
    """Give a random model opinions: with the usual initialisation it repeats one token whatever it reads."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                spread = 1.0 if "embed" in name or "shared" in name else 2.0 / parameter.shape[-1] ** 0.5
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * spread)
    return model.eval()


def marian():
    from transformers import MarianConfig, MarianMTModel

    config = MarianConfig(
        **PAIR,
        pad_token_id=59,
        eos_token_id=0,
        decoder_start_token_id=59,
        forced_eos_token_id=0,
    )
    return lively(MarianMTModel(config))


def t5():
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(
        vocab_size=60,
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
    )
    return lively(T5ForConditionalGeneration(config))


def bart():
    from transformers import BartConfig, BartForConditionalGeneration

    config = BartConfig(
        **PAIR,
    )
    return lively(BartForConditionalGeneration(config))


def gpt2():
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=60, n_embd=16, n_layer=2, n_head=2, n_positions=64, bos_token_id=1, eos_token_id=2)
    config.pad_token_id = 2
    return lively(GPT2LMHeadModel(config))


def llama():
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=60,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        pad_token_id=0,
    )
    return lively(LlamaForCausalLM(config))
