import pytest
import torch
import transformers

from pytest_torchscript.errors import InputError
from pytest_torchscript.inputs.values import make_inputs
from tests.feeding import SEQ2SEQ, SMALL, dims, infer, run, span


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


def test_choices_are_an_axis():
    spec = run("BertForMultipleChoice", SMALL, "multiple-choice")
    assert dims(spec)["attention_mask"] == ["batch", "choices", "sequence"]


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
