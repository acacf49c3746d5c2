"""How tests ask what models are fed: transformers' by class name and configuration, functions by calling them."""

from __future__ import annotations

import torch
import transformers
import transformers.modeling_utils

from pytest_torchscript.inputs.infer import infer_inputs
from pytest_torchscript.inputs.values import make_inputs, variations

SMALL = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 90}
SEQ2SEQ = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
}


def infer(name, config=None, task="default", **options):
    model_class = getattr(transformers, name)
    return infer_inputs(model_class.config_class(**(config or {})), model_class, task, **options)


def dims(spec):
    return {name: [getattr(dim, "name", dim) for dim in tensor.dims] for name, tensor in spec.items()}


def span(spec, name):
    return spec.axes[name].min, spec.axes[name].max


def run(name, config, task="default", sizes=(), **options):
    """Feed a small model at its smallest sizes, and with every variation of values at others."""
    model_class = getattr(transformers, name)
    made = model_class.config_class(**config)
    spec = infer_inputs(made, model_class, task, **options)
    model = model_class(made).eval()
    with torch.no_grad():
        model(**make_inputs(spec, {axis.name: axis.first for axis in spec.axes.values()}, 0))
        for _, inputs in variations(
            spec, {**{axis.name: axis.first + 2 for axis in spec.axes.values()}, **dict(sizes)}, 0
        ):
            model(**inputs)
    return spec


class Question:
    """Asks a function as `propose_axes` asks eager, and counts."""

    def __init__(self, function):
        self.function = function
        self.passes = 0

    def __call__(self, inputs):
        self.passes += 1
        try:
            self.function(**inputs)
        except Exception:
            return False
        return True
