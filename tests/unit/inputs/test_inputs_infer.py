import pytest
import torch
import transformers
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from pytest_torchscript.errors import InputError
from pytest_torchscript.inputs.code import reads_parameter
from pytest_torchscript.inputs.declare import read_inputs
from pytest_torchscript.inputs.infer import call_defaults, completes, infer_inputs
from pytest_torchscript.inputs.values import make_inputs, variations
from pytest_torchscript.spec import Axis, TensorSpec

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


def test_bert():
    spec = run("BertModel", {**SMALL, "max_position_embeddings": 64})
    assert dims(spec) == {name: ["batch", "sequence"] for name in ("input_ids", "attention_mask", "token_type_ids")}
    assert spec.optional == ("attention_mask", "token_type_ids")
    assert (span(spec, "batch"), span(spec, "sequence")) == ((1, 16), (1, 64))
    assert (spec["input_ids"].low, spec["input_ids"].high, spec["input_ids"].role) == (0, 90, "ids")
    assert [tensor.role for tensor in spec.values()] == ["ids", "mask", "types"]


def test_positions_that_count_from_padding_leave_some_unused():
    config = {**SMALL, "max_position_embeddings": 20, "pad_token_id": 1, "type_vocab_size": 1}
    spec = infer("RobertaModel", config)
    assert list(spec) == ["input_ids", "attention_mask"]
    assert span(spec, "sequence") == (1, 18)
    assert (spec["input_ids"].pad, spec["input_ids"].special) == (1, (1, 0, 2))
    model = transformers.RobertaModel(transformers.RobertaConfig(**config)).eval()
    full = make_inputs(spec, {"batch": 1, "sequence": 18}, 0)
    model(**{**full, "input_ids": full["input_ids"].clamp(min=3)})
    with pytest.raises((IndexError, RuntimeError)):
        model(input_ids=torch.full((1, 19), 5))


def test_sinusoidal_positions_count_from_padding_and_lose_none():
    assert span(infer("M2M100Model", SEQ2SEQ), "sequence") == (1, 1024)


@pytest.mark.parametrize(
    ("name", "longest"),
    [
        ("BigBirdModel", 4096),
        ("T5Model", 512),
        ("XLNetModel", 512),
        ("GPT2Model", 1024),
        ("LlamaModel", 2048),
        ("MistralModel", 4096),
    ],
)
def test_text_runs_to_the_last_position(name, longest):
    assert span(infer(name), "sequence") == (1, longest)


def test_masks_that_stand_last_are_found_by_name():
    assert list(infer("GPT2Model")) == ["input_ids", "attention_mask"]
    assert list(infer("MambaModel")) == ["input_ids", "attention_mask"]


def test_a_mask_that_forward_does_not_use_is_not_fed():
    assert list(infer("RwkvModel")) == ["input_ids"]
    assert list(infer("FNetModel", {"type_vocab_size": 1})) == ["input_ids"]
    assert not reads_parameter(transformers.RwkvModel, "attention_mask")
    assert reads_parameter(transformers.BertModel, "attention_mask")


def test_decoders_have_a_length_of_their_own():
    spec = run("BartModel", {**SEQ2SEQ, "vocab_size": 60, "max_position_embeddings": 30})
    assert dims(spec) == {
        "input_ids": ["batch", "sequence"],
        "attention_mask": ["batch", "sequence"],
        "decoder_input_ids": ["batch", "decoder_sequence"],
    }
    assert span(spec, "decoder_sequence") == (1, 30)


def test_heads_that_read_one_text_twice_are_fed_it_once():
    config = {**SEQ2SEQ, "vocab_size": 60, "eos_token_id": 2}
    spec = run("BartForSequenceClassification", config)
    assert list(spec) == ["input_ids", "attention_mask"]
    assert list(infer("BartForQuestionAnswering", config)) == ["input_ids", "attention_mask"]
    assert spec["input_ids"].role == "closed_ids"


def test_clip_reads_text_and_pictures_and_ends_in_its_last_id():
    tower = {key: value for key, value in SMALL.items() if key != "vocab_size"}
    config = {
        "text_config": {**SMALL, "eos_token_id": 89, "bos_token_id": 88, "pad_token_id": 1},
        "vision_config": {**tower, "image_size": 30, "patch_size": 10},
    }
    spec = infer("CLIPModel", config)
    assert dims(spec)["pixel_values"] == ["batch", 3, "height", "width"]
    assert spec["input_ids"].special[-1] == 89
    made = make_inputs(spec, {"batch": 2, "sequence": 5, "height": 30, "width": 30}, 0)
    assert made["input_ids"][:, -1].tolist() == [89, 89]
    config["text_config"]["eos_token_id"] = 2
    assert infer("CLIPModel", config)["input_ids"].special[-1] == 89


def test_pictures_run_from_half_to_twice_the_models_own_size():
    spec = infer("ViTModel", {"image_size": [30, 45]})
    assert dims(spec) == {"pixel_values": ["batch", 3, "height", "width"]}
    assert spec.axes["height"] == Axis("height", min=15, max=60, typical=30)
    assert spec.axes["width"] == Axis("width", min=22, max=90, typical=45)
    assert infer("ResNetModel").axes["height"].typical == 224


def test_sounds_are_as_long_as_one_frame_at_least():
    spec = infer("Wav2Vec2Model", {"conv_kernel": [10, 3], "conv_stride": [5, 2], "conv_dim": [8, 8]})
    assert dims(spec) == {"input_values": ["batch", "samples"], "attention_mask": ["batch", "samples"]}
    assert spec.axes["samples"].min == 20
    assert spec["attention_mask"].low == 20


def test_whisper_and_ast_have_one_length():
    spec = infer("WhisperModel", {**SEQ2SEQ, "num_mel_bins": 8, "max_source_positions": 50})
    assert dims(spec) == {"input_features": ["batch", 8, 100], "decoder_input_ids": ["batch", "decoder_sequence"]}
    assert dims(infer("ASTModel", {"max_length": 64, "num_mel_bins": 32})) == {"input_values": ["batch", 64, 32]}


def test_documents():
    layout = run("LayoutLMModel", SMALL)
    assert dims(layout)["bbox"] == ["batch", "sequence", 4]
    assert layout["bbox"].high == 1024
    markup = infer("MarkupLMModel")
    assert dims(markup)["xpath_tags_seq"] == ["batch", "sequence", 50]
    assert span(markup, "sequence") == (1, 511)
    table = infer("TapasModel", {"type_vocab_sizes": [3, 256, 1]})
    types = make_inputs(table, {"batch": 9, "sequence": 50}, 0)["token_type_ids"]
    assert types.amax((0, 1)).tolist()[::2] == [2, 0]


def test_detected_regions():
    spec = infer("LxmertModel")
    assert dims(spec)["visual_feats"] == ["batch", "boxes", 2048]
    assert spec["visual_pos"].role == "boxes"


def test_time_series_reach_back_as_far_as_their_lags():
    config = {
        "prediction_length": 4,
        "context_length": 10,
        "num_time_features": 2,
        "num_static_categorical_features": 1,
        "cardinality": [5],
        "embedding_dimension": [2],
        "d_model": 8,
        "encoder_attention_heads": 1,
        "decoder_attention_heads": 1,
    }
    spec = run("TimeSeriesTransformerModel", config)
    assert dims(spec) == {
        "past_values": ["batch", 17],
        "past_time_features": ["batch", 17, 2],
        "past_observed_mask": ["batch", 17],
        "static_categorical_features": ["batch", 1],
        "future_values": ["batch", 4],
        "future_time_features": ["batch", 4, 2],
    }
    with pytest.raises(InputError, match="is not set"):
        infer("TimeSeriesTransformerModel", {"context_length": 10})


def test_speech_t5_takes_hidden_states_when_bare():
    assert dims(infer("SpeechT5Model", {"hidden_size": 24})) == {
        "input_values": ["batch", "sequence", 24],
        "attention_mask": ["batch", "sequence"],
        "decoder_input_values": ["batch", "decoder_sequence", 24],
    }
    assert dims(infer("SpeechT5ForSpeechToText"))["input_values"] == ["batch", "samples"]


def test_perceiver_takes_floats_when_bare_and_ids_for_text():
    assert dims(infer("PerceiverModel"))["inputs"] == ["batch", "sequence", 768]
    assert dims(infer("PerceiverForMaskedLM")) == {
        "inputs": ["batch", "sequence"],
        "attention_mask": ["batch", "sequence"],
    }
    assert dims(infer("PerceiverForImageClassificationLearned")) == {"inputs": ["batch", 3, "height", "width"]}


def test_choices_are_an_axis():
    spec = run("BertForMultipleChoice", SMALL, "multiple-choice")
    assert dims(spec)["attention_mask"] == ["batch", "choices", "sequence"]


def test_longformers_questions_need_no_separators():
    config = {**SMALL, "attention_window": 4}
    spec = run("LongformerForQuestionAnswering", config)
    assert "global_attention_mask" in spec
    assert "global_attention_mask" not in infer("LongformerModel", config)


def test_embeddings_in_place_of_ids():
    spec = run("BertModel", SMALL, embeds=True)
    assert dims(spec)["inputs_embeds"] == ["batch", "sequence", 32]
    assert "input_ids" not in spec
    assert dims(infer("AlbertModel", embeds=True))["inputs_embeds"][-1] == 128
    with pytest.raises(
        InputError, match="cannot infer the input 'inputs_embeds': forward takes no embeddings of a text"
    ):
        infer("ViTModel", embeds=True)
    with pytest.raises(InputError, match="cannot infer the input 'inputs_embeds'"):
        infer("DetrModel", {"backbone": None, "use_timm_backbone": False}, embeds=True)


def test_declaring_embeddings_replaces_the_ids():
    spec = infer("BertModel", SMALL, declared={"inputs_embeds": TensorSpec("batch", "sequence", 32)})
    assert list(spec) == ["attention_mask", "token_type_ids", "inputs_embeds"]
    assert span(spec, "sequence") == (1, 512)


def test_the_cache_is_off_unless_the_task_is_about_it():
    bert, vit = transformers.BertModel, transformers.ViTModel
    assert call_defaults(transformers.BertConfig(), bert) == {"use_cache": False}
    assert call_defaults(transformers.BertConfig(), bert, "causal-lm-with-past") == {"use_cache": True}
    assert call_defaults(transformers.ViTConfig(), vit) == {}


def test_placeholders_in_a_text_are_fed_as_text_alone():
    assert "pixel_values" not in infer("LlavaForConditionalGeneration")
    assert "input_features" not in infer("Qwen2AudioForConditionalGeneration")


def test_films_and_codecs():
    assert dims(infer("VideoMAEModel"))["pixel_values"] == ["batch", 16, 3, "height", "width"]
    assert dims(infer("DacModel")) == {"input_values": ["batch", 1, "samples"]}
    assert dims(infer("EncodecModel"))["input_values"] == ["batch", 1, "samples"]


def test_a_forward_without_names_is_refused():
    class Nameless(PreTrainedModel):
        def forward(self, *args, **kwargs):
            return args

    with pytest.raises(InputError, match="Nameless: forward names no inputs"):
        infer_inputs(PretrainedConfig(), Nameless)


class ToyConfig(PretrainedConfig):
    model_type = "toy"

    def __init__(self, vocab_size=30, max_position_embeddings=12, width=8, **kwargs):
        super().__init__(**kwargs)
        self.vocab_size = vocab_size
        self.max_position_embeddings = max_position_embeddings
        self.width = width


class ToyEncoder(PreTrainedModel):
    config_class = ToyConfig
    base_model_prefix = "toy"

    def __init__(self, config):
        super().__init__(config)
        self.words = nn.Embedding(config.vocab_size, config.width)
        self.positions = nn.Embedding(config.max_position_embeddings, config.width)
        self.post_init()

    def forward(self, input_ids=None, attention_mask=None, output_hidden_states=None):
        states = self.words(input_ids) + self.positions(torch.arange(input_ids.shape[1]))
        return (states * attention_mask[..., None],)


class ToyGauge(ToyEncoder):
    main_input_name = "readings"

    def forward(self, readings, input_ids=None, attention_mask=None):
        return (super().forward(input_ids, attention_mask)[0] * readings[:, :1, None],)


class ToySilent(ToyEncoder):
    main_input_name = "waves"

    def forward(self, waves=None, gain=None):
        return (waves * 2,)


def test_a_model_never_seen_before_is_fed_by_the_rules():
    spec = infer_inputs(ToyConfig(), ToyEncoder)
    assert dims(spec) == {"input_ids": ["batch", "sequence"], "attention_mask": ["batch", "sequence"]}
    assert span(spec, "sequence") == (1, 12)
    ToyEncoder(ToyConfig())(**make_inputs(spec, {"batch": 2, "sequence": 12}, 0))


def test_an_input_that_cannot_be_guessed_is_named_with_a_way_to_declare_it():
    with pytest.raises(InputError) as caught:
        infer_inputs(ToyConfig(), ToyGauge)
    message, signature, hint = str(caught.value).splitlines()
    assert message == "ToyGauge: cannot infer the input 'readings': no rule makes it"
    assert signature == "    forward(readings, input_ids=None, attention_mask=None)"
    assert hint.startswith("    hint: declare it with its own dims, as in inputs = {")
    assert '{"readings": TensorSpec("batch", "sequence", 16)}' in hint
    assert all(way in hint for way in ("factory", "@pytest.mark.torchscript(inputs", "pytest_torchscript_inputs"))


def test_doing_what_the_error_says_works():
    spec = infer_inputs(
        ToyConfig(), ToyGauge, declared={"readings": TensorSpec("batch", "sequence", low=0.0, high=1.0)}
    )
    assert dims(spec) == {
        "readings": ["batch", "sequence"],
        "input_ids": ["batch", "sequence"],
        "attention_mask": ["batch", "sequence"],
    }
    assert span(spec, "sequence") == (1, 12)
    ToyGauge(ToyConfig())(**make_inputs(spec, {"batch": 2, "sequence": 5}, 0))


def test_an_example_tensor_fills_the_gap_too():
    spec = infer_inputs(ToyConfig(), ToyGauge, declared={"readings": torch.rand(2, 5)})
    assert dims(spec)["readings"] == ["batch", 5]
    assert 0 < spec["readings"].high <= 1


def test_examples_have_the_dims_of_the_rules_and_are_kept():
    ids, mask = torch.randint(0, 30, (2, 9)), torch.ones(2, 9, dtype=torch.int64)
    spec = infer_inputs(ToyConfig(), ToyEncoder, declared={"input_ids": ids, "attention_mask": mask}, complete=True)
    assert dims(spec) == {"input_ids": ["batch", "sequence"], "attention_mask": ["batch", "sequence"]}
    assert spec.sizes_of(spec.examples) == {"batch": 2, "sequence": 9}
    assert spec.examples["input_ids"] is not ids  # detached
    assert spec.found.startswith('{\n    "input_ids": TensorSpec(Axis("batch", max=16), Axis("sequence", max=12)')
    joined = infer_inputs(ToyConfig(), ToyEncoder, declared={"attention_mask": mask})
    assert list(joined) == ["input_ids", "attention_mask"]
    assert list(joined.examples) == ["attention_mask"]


def test_two_sizes_of_one_axis_are_refused():
    examples = {
        "input_ids": torch.zeros(2, 9, dtype=torch.int64),
        "attention_mask": torch.ones(2, 8, dtype=torch.int64),
    }
    with pytest.raises(
        InputError, match="axis 'sequence' has two sizes in the examples: 9 in 'input_ids', 8 in 'atten"
    ):
        infer_inputs(ToyConfig(), ToyEncoder, declared=examples, complete=True)


def test_an_example_without_a_rule_has_a_batch_where_it_is_as_large():
    examples = {"input_ids": torch.zeros(2, 9, dtype=torch.int64), "gain": torch.rand(1, 4), "share": torch.rand(2, 3)}
    spec = infer_inputs(ToyConfig(), ToyEncoder, declared=examples, complete=True)
    assert dims(spec)["gain"] == [1, 4]
    assert dims(spec)["share"] == ["batch", 3]


def test_constants_stand_beside_inferred_inputs():
    spec = infer_inputs(ToyConfig(), ToyEncoder, declared=read_inputs({"output_hidden_states": True}, joined=True))
    assert list(spec) == ["input_ids", "attention_mask"]
    assert spec.form.constants == (("output_hidden_states", True),)


def test_what_is_declared_is_all_where_the_rules_would_have_done():
    readings = {"readings": TensorSpec("batch", "sequence")}
    assert not completes(ToyConfig(), ToyGauge, "default", readings)
    assert completes(ToyConfig(), ToyEncoder, "default", {"input_ids": TensorSpec("batch", "sequence")})
    assert not completes(ToyConfig(), ToyEncoder, "default", {"attention_mask": TensorSpec("batch", "sequence")})


def test_a_main_input_with_a_default_is_missed_too():
    with pytest.raises(InputError, match="cannot infer the input 'waves'"):
        infer_inputs(ToyConfig(), ToySilent)


def test_a_declared_axis_replaces_the_inferred_one():
    spec = infer_inputs(
        ToyConfig(), ToyEncoder, declared={"attention_mask": TensorSpec("batch", Axis("sequence", min=2, max=6))}
    )
    assert span(spec, "sequence") == (2, 6)


def test_a_vocabulary_that_is_not_stated_is_asked_for():
    config = ToyConfig()
    config.vocab_size = None
    with pytest.raises(InputError, match="'input_ids': ToyConfig gives none of: vocab_size"):
        infer_inputs(config, ToyEncoder)
