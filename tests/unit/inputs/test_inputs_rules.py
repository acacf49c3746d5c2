import pytest
import transformers

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


def test_steps_of_an_agent():
    found = dims(infer("DecisionTransformerModel", {"state_dim": 5, "act_dim": 2, "max_ep_len": 9}))
    assert found["states"] == ["batch", "sequence", 5]
    assert found["actions"] == ["batch", "sequence", 2]
    assert found["returns_to_go"] == ["batch", "sequence", 1]
    assert found["timesteps"] == ["batch", "sequence"]


def test_a_spectrogram_of_one_channel_and_whether_it_was_cut():
    found = dims(infer("ClapModel"))
    assert found["input_features"] == ["batch", 1, 1024, 64]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("EfficientLoFTRModel", {"pixel_values": ["batch", 2, 3, "height", "width"]}),
        ("KyutaiSpeechToTextModel", {"input_ids": ["batch", "sequence", 33], "attention_mask": ["batch", "sequence"]}),
    ],
)
def test_pairs_of_pictures_and_codes_beside_a_text(name, expected):
    if not hasattr(transformers, name):
        pytest.skip(f"this transformers has no {name}")
    assert dims(infer(name)) == expected


def test_hidden_states_of_another_part_where_they_are_required():
    found = dims(infer("Blip2QFormerModel", {"hidden_size": 24}))
    assert found["query_embeds"] == ["batch", "sequence", 24]
