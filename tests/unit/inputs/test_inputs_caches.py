import inspect

import pytest
import torch
import transformers

from pytest_torchscript.errors import InputError
from pytest_torchscript.inputs.caches import cache_inputs, cache_keyword, called_names, pack_for
from pytest_torchscript.inputs.infer import call_defaults, infer_inputs
from pytest_torchscript.inputs.values import make_inputs
from pytest_torchscript.outputs import tensor_leaves

GPT2 = {"n_embd": 16, "n_layer": 2, "n_head": 2, "vocab_size": 50, "n_positions": 32}
LLAMA = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 50,
    "intermediate_size": 16,
}
BART = {
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "vocab_size": 50,
    "max_position_embeddings": 32,
}
T5 = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 2, "num_heads": 2, "vocab_size": 50}
MODELS = [
    ("GPT2LMHeadModel", GPT2, "causal-lm-with-past"),
    ("LlamaForCausalLM", LLAMA, "causal-lm-with-past"),
    ("BartForCausalLM", BART, "causal-lm-with-past"),
    ("BartForConditionalGeneration", BART, "seq2seq-lm-with-past"),
    ("T5ForConditionalGeneration", T5, "seq2seq-lm-with-past"),
]


def build(name, config, task):
    model_class = getattr(transformers, name)
    made = model_class.config_class(**config)
    torch.manual_seed(0)
    model = model_class(made).eval()
    spec = infer_inputs(made, model_class, task)
    return model, spec, pack_for(made, tuple(spec), model_class=model_class)


def flattened(cache, names):
    """Return a cache's tensors under the flat names, told apart by the order of each release's own layout."""
    leaves = dict(tensor_leaves(cache))
    return dict(zip(names, leaves.values())) if isinstance(cache, tuple) else dict(_named(leaves, names))


def _named(leaves, names):
    parts = {"encoder": "cross_attention_cache", "decoder": "self_attention_cache"}
    for name in names:
        _, layer, *part, kind = name.split(".")
        inside = [path for path in leaves if not part or parts[part[0]] in path]
        wanted = {f".layers[{layer}].{kind}s", f".{kind}_cache[{layer}]"}
        yield name, leaves[next(path for path in inside if any(path.endswith(end) for end in wanted))]


@pytest.mark.parametrize(("name", "config", "task"), MODELS)
def test_a_step_from_flat_tensors_is_a_step_from_eagers_own_cache(name, config, task):
    model, spec, pack = build(name, config, task)
    flat = [each for each in spec if each.startswith("past_key_values.")]
    ids = "decoder_input_ids" if "decoder_input_ids" in spec else "input_ids"
    tokens = torch.randint(3, 50, (2, 6), generator=torch.Generator().manual_seed(1))
    source = {"input_ids": torch.randint(3, 50, (2, 5))} if ids != "input_ids" else {}
    constants = call_defaults(model.config, type(model), task)
    assert constants == {"use_cache": True}
    keyword = cache_keyword(inspect.signature(model.forward).parameters)
    with torch.no_grad():
        whole = model(**source, **{ids: tokens}).logits
        output = model(**source, **{ids: tokens[:, :3]}, **constants)
        for step in range(3, 6):
            past = flattened(output[keyword], flat)
            sizes = {"batch": 2, "past_sequence": step, "sequence": 5, "decoder_sequence": 1}
            assert {each: tuple(value.shape) for each, value in past.items()} == {
                each: spec[each].shape(sizes) for each in flat
            }
            mask = {} if source else {"attention_mask": torch.ones(2, step + 1, dtype=torch.int64)}
            output = model(**pack({**source, **mask, ids: tokens[:, step : step + 1], **past}), **constants)
            torch.testing.assert_close(output.logits[:, 0], whole[:, step], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "config", "task"), MODELS)
def test_drawn_caches_are_accepted_at_every_length(name, config, task):
    model, spec, pack = build(name, config, task)
    for past in (1, 3, spec.axes["past_sequence"].max if "sequence" in name else 9):
        sizes = {"batch": 2, "past_sequence": past, "sequence": 4, "decoder_sequence": 3}
        with torch.no_grad():
            model(**pack(make_inputs(spec, sizes, 0)), use_cache=True)


def test_past_and_new_tokens_together_fit_the_positions():
    _, spec, _ = build(*MODELS[0])
    assert spec.axes["sequence"].max + spec.axes["past_sequence"].max == 32
    assert spec["attention_mask"].dims[1] == "past_sequence + sequence"


def test_whispers_encoder_has_one_length():
    config = {key: value for key, value in BART.items() if key != "max_position_embeddings"}
    model_class = transformers.WhisperForConditionalGeneration
    made = transformers.WhisperConfig(**config, max_source_positions=20, num_mel_bins=8)
    spec = infer_inputs(made, model_class, "seq2seq-lm-with-past")
    assert spec["past_key_values.1.encoder.key"].dims[2] == 20


def test_a_task_with_past_needs_a_model_with_a_cache():
    with pytest.raises(InputError, match="the task 'causal-lm-with-past' needs a cache, and forward takes none"):
        infer_inputs(transformers.RwkvConfig(), transformers.RwkvForCausalLM, "causal-lm-with-past")


def test_a_configuration_without_layers_is_asked_to_declare_them():
    with pytest.raises(InputError, match="cannot infer the cache"):
        cache_inputs(transformers.PretrainedConfig())


def test_without_a_cache_nothing_is_packed():
    assert pack_for(transformers.GPT2Config(), ("input_ids",)) is None


class TakesCache(torch.nn.Module):
    def forward(self, ids, cache=None):
        return cache


class TakesPast(torch.nn.Module):
    def forward(self, ids, past_key_values=None):
        return past_key_values


class TakesBoth(torch.nn.Module):
    def forward(self, ids, past_key_values=None, cache=None):
        return cache


class TakesAnything(torch.nn.Module):
    def forward(self, *args, **kwargs):
        return kwargs["past_key_values"]


@pytest.mark.parametrize(
    ("model_class", "keyword"),
    [(TakesCache, "cache"), (TakesPast, "past_key_values"), (TakesBoth, "cache"), (TakesAnything, "past_key_values")],
)
def test_the_cache_goes_in_by_the_name_that_forward_gives_it(model_class, keyword):
    names = ("ids", "past_key_values.0.key", "past_key_values.0.value")
    flat = dict(zip(names, (torch.zeros(1, 1), torch.zeros(1, 2, 3, 4), torch.ones(1, 2, 3, 4))))
    packed = pack_for(transformers.GPT2Config(n_layer=1), names, model_class=model_class)(flat)
    assert (set(packed), called_names(names, model_class)) == ({"ids", keyword}, ("ids", keyword))
    assert model_class()(**packed) is packed[keyword]
    leaves = [leaf for _, leaf in tensor_leaves(packed[keyword])]
    assert any(torch.equal(leaf, flat["past_key_values.0.value"]) for leaf in leaves)


def test_forwards_without_a_cache_have_no_keyword_for_it():
    assert cache_keyword(["input_ids", "attention_mask", "use_cache"]) is None
    names = ("input_ids", "attention_mask")
    assert called_names(names, transformers.GPT2LMHeadModel) == names
