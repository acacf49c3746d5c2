import pytest
from transformers import PretrainedConfig

from pytest_torchscript.errors import InputError
from pytest_torchscript.inputs.infer import infer_inputs
from pytest_torchscript.inputs.values import make_inputs
from tests.feeding import SEQ2SEQ, dims, infer, run


def test_sounds_are_as_long_as_one_frame_at_least():
    spec = infer("Wav2Vec2Model", {"conv_kernel": [10, 3], "conv_stride": [5, 2], "conv_dim": [8, 8]})
    assert dims(spec) == {"input_values": ["batch", "samples"], "attention_mask": ["batch", "samples"]}
    assert spec.axes["samples"].min == 20
    assert spec["attention_mask"].low == 20


def test_a_codec_takes_a_wave_with_its_channel_whatever_reads_it_inside():
    values = {"conv_kernel": [10, 3], "conv_stride": [5, 2], "conv_dim": [8, 8]}
    assert dims(infer("Wav2Vec2Model", {**values, "codebook_size": 16}))["input_values"] == ["batch", 1, "samples"]


def test_whisper_and_ast_have_one_length():
    spec = infer("WhisperModel", {**SEQ2SEQ, "num_mel_bins": 8, "max_source_positions": 50})
    assert dims(spec) == {"input_features": ["batch", 8, 100], "decoder_input_ids": ["batch", "decoder_sequence"]}
    assert dims(infer("ASTModel", {"max_length": 64, "num_mel_bins": 32})) == {"input_values": ["batch", 64, 32]}


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


def test_perceiver_takes_floats_when_bare_and_ids_for_text():
    assert dims(infer("PerceiverModel"))["inputs"] == ["batch", "sequence", 768]
    assert dims(infer("PerceiverForMaskedLM")) == {
        "inputs": ["batch", "sequence"],
        "attention_mask": ["batch", "sequence"],
    }
    assert dims(infer("PerceiverForImageClassificationLearned")) == {"inputs": ["batch", 3, "height", "width"]}


def test_a_series_says_what_is_padding_and_how_often_it_was_measured():
    class Series:
        main_input_name = "past_values"

        def forward(self, past_values, past_values_padding, freq): ...

    config = PretrainedConfig()
    config.context_length, config.freq_size = 64, 3
    spec = infer_inputs(config, Series)
    assert dims(spec) == {"past_values": ["batch", 64], "past_values_padding": ["batch", 64], "freq": ["batch", 1]}
    made = make_inputs(spec, {"batch": 2}, seed=0)
    assert not made["past_values_padding"].any()
    assert made["freq"].max() < 3
