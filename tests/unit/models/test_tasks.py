from __future__ import annotations

from typing import Any

import pytest

from pytest_torchscript.errors import MissingLibraryError, ModelError, OptionError
from pytest_torchscript.models import tasks
from pytest_torchscript.settings import TASKS


def config(name: str, **values: Any) -> Any:
    import transformers

    return getattr(transformers, name)(**values)


def test_every_task_of_the_command_line_has_classes() -> None:
    import transformers

    assert tuple(tasks.AUTO_CLASSES) == TASKS
    for task, names in tasks.AUTO_CLASSES.items():
        assert any(hasattr(transformers, name) for name in names), task


@pytest.mark.parametrize(
    ("name", "task", "expected"),
    [
        ("BertConfig", "default", "BertModel"),
        ("BertConfig", "masked-lm", "BertForMaskedLM"),
        ("BertConfig", "multiple-choice", "BertForMultipleChoice"),
        ("GPT2Config", "causal-lm-with-past", "GPT2LMHeadModel"),
        ("T5Config", "seq2seq-lm", "T5ForConditionalGeneration"),
        ("WhisperConfig", "seq2seq-lm", "WhisperForConditionalGeneration"),
        ("WhisperConfig", "speech-seq2seq", "WhisperForConditionalGeneration"),
        ("ViTConfig", "image-classification", "ViTForImageClassification"),
        ("SegformerConfig", "semantic-segmentation", "SegformerForSemanticSegmentation"),
        ("YolosConfig", "object-detection", "YolosForObjectDetection"),
        ("Wav2Vec2Config", "ctc", "Wav2Vec2ForCTC"),
        ("Wav2Vec2Config", "audio-classification", "Wav2Vec2ForSequenceClassification"),
        ("CLIPConfig", "zero-shot-image-classification", "CLIPModel"),
        ("FunnelConfig", "default", "FunnelModel"),
        ("TrOCRConfig", "default", "TrOCRForCausalLM"),
    ],
)
def test_classes(name: str, task: str, expected: str) -> None:
    assert tasks.model_class_for(config(name), task).__name__ == expected


def test_the_class_that_was_saved_decides_between_two() -> None:
    saved = config("FunnelConfig", architectures=["FunnelBaseModel"])
    assert tasks.model_class_for(saved, "default").__name__ == "FunnelBaseModel"


def test_a_task_the_architecture_lacks_lists_those_it_has() -> None:
    with pytest.raises(ModelError) as caught:
        tasks.model_class_for(config("ResNetConfig"), "masked-lm")
    assert caught.value.message == "resnet: has no task 'masked-lm'"
    assert "default, image-classification" in caught.value.hint


def test_an_unknown_task_names_the_close_one() -> None:
    with pytest.raises(OptionError) as caught:
        tasks.model_class_for(config("BertConfig"), "mask-lm")
    assert "did you mean 'masked-lm'?" in caught.value.hint
    with pytest.raises(OptionError, match="'###' does not exist"):
        tasks.model_class_for(config("BertConfig"), "###")


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("BertModel", "default"),
        ("BertForMaskedLM", "masked-lm"),
        ("BertForTokenClassification", "token-classification"),
        ("SomethingElse", "default"),
        (None, "default"),
    ],
)
def test_the_task_a_checkpoint_was_saved_for(architecture: str | None, expected: str) -> None:
    assert tasks.task_of(config("BertConfig", architectures=[architecture] if architecture else None)) == expected


def test_a_class_that_cannot_be_imported_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mapping(dict):  # type: ignore[type-arg]
        def __getitem__(self, key: Any) -> Any:
            raise ImportError("needs scipy")

    import transformers

    broken = Mapping({transformers.BertConfig: None})
    monkeypatch.setattr(tasks, "_mappings", lambda names: iter([broken]))
    with pytest.raises(ModelError, match="its class cannot be imported: ImportError: needs scipy"):
        tasks.model_class_for(config("BertConfig"), "default")


class _Absent(type):
    """As transformers stands in for a class that needs a library."""

    def __getattribute__(cls, name: str) -> Any:
        if name.startswith("_"):
            return super().__getattribute__(name)
        raise ImportError("Voices requires the torchaudio library but it was not found in your environment.")


def test_a_class_whose_library_is_missing_says_which() -> None:
    class Voices(metaclass=_Absent): ...

    with pytest.raises(
        MissingLibraryError, match="Voices: cannot be built: ImportError: Voices requires the torchaudio library"
    ):
        tasks.require_libraries(Voices)
    tasks.require_libraries(type("Plain", (), {}))
