from tests.feeding import SMALL, dims, infer, run


def test_speech_t5_takes_hidden_states_when_bare():
    assert dims(infer("SpeechT5Model", {"hidden_size": 24})) == {
        "input_values": ["batch", "sequence", 24],
        "attention_mask": ["batch", "sequence"],
        "decoder_input_values": ["batch", "decoder_sequence", 24],
    }
    assert dims(infer("SpeechT5ForSpeechToText"))["input_values"] == ["batch", "samples"]


def test_longformers_questions_need_no_separators():
    config = {**SMALL, "attention_window": 4}
    spec = run("LongformerForQuestionAnswering", config)
    assert "global_attention_mask" in spec
    assert "global_attention_mask" not in infer("LongformerModel", config)


def test_placeholders_in_a_text_are_fed_as_text_alone():
    assert "pixel_values" not in infer("LlavaForConditionalGeneration")
    assert "input_features" not in infer("Qwen2AudioForConditionalGeneration")


def test_films_and_codecs():
    assert dims(infer("VideoMAEModel"))["pixel_values"] == ["batch", 16, 3, "height", "width"]
    assert dims(infer("DacModel")) == {"input_values": ["batch", 1, "samples"]}
    assert dims(infer("EncodecModel"))["input_values"] == ["batch", 1, "samples"]
