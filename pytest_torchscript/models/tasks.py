"""Which class a task means: the names of the export guide, looked up in whatever transformers is installed.

Auto classes come and go between releases, so they are found by name, and a task may know several.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import ModelError, first_line, unknown
from pytest_torchscript.models.construct import import_error
from pytest_torchscript.versions import library_name

DEFAULT = "default"

#: Task -> the Auto classes that may serve it, the usual one first.
AUTO_CLASSES: dict[str, tuple[str, ...]] = {
    DEFAULT: ("AutoModel",),
    "masked-lm": ("AutoModelForMaskedLM",),
    "causal-lm": ("AutoModelForCausalLM",),
    "causal-lm-with-past": ("AutoModelForCausalLM",),
    "seq2seq-lm": ("AutoModelForSeq2SeqLM", "AutoModelForSpeechSeq2Seq"),
    "seq2seq-lm-with-past": ("AutoModelForSeq2SeqLM", "AutoModelForSpeechSeq2Seq"),
    "sequence-classification": ("AutoModelForSequenceClassification",),
    "token-classification": ("AutoModelForTokenClassification",),
    "question-answering": ("AutoModelForQuestionAnswering", "AutoModelForDocumentQuestionAnswering"),
    "multiple-choice": ("AutoModelForMultipleChoice",),
    "next-sentence-prediction": ("AutoModelForNextSentencePrediction",),
    "image-classification": ("AutoModelForImageClassification",),
    "object-detection": ("AutoModelForObjectDetection", "AutoModelForZeroShotObjectDetection"),
    "semantic-segmentation": (
        "AutoModelForSemanticSegmentation",
        "AutoModelForImageSegmentation",
        "AutoModelForUniversalSegmentation",
        "AutoModelForInstanceSegmentation",
    ),
    "masked-image-modeling": ("AutoModelForMaskedImageModeling",),
    "zero-shot-image-classification": ("AutoModelForZeroShotImageClassification",),
    "depth-estimation": ("AutoModelForDepthEstimation",),
    "audio-classification": ("AutoModelForAudioClassification",),
    "audio-frame-classification": ("AutoModelForAudioFrameClassification",),
    "audio-xvector": ("AutoModelForAudioXVector",),
    "ctc": ("AutoModelForCTC",),
    "speech-seq2seq": ("AutoModelForSpeechSeq2Seq",),
    "vision2seq": ("AutoModelForVision2Seq", "AutoModelForImageTextToText"),
}


#: Tasks that a checkpoint was fine-tuned for: its head is what gets shipped. The heads of pretraining are not.
FINE_TUNED = (
    "sequence-classification",
    "token-classification",
    "question-answering",
    "multiple-choice",
    "image-classification",
    "object-detection",
    "semantic-segmentation",
    "depth-estimation",
    "audio-classification",
    "audio-frame-classification",
    "audio-xvector",
    "ctc",
)


def checkpoint_task(config: Any) -> str:
    """Return the task a checkpoint is for: that of a fine-tuned head it was saved with, else ``default``."""
    task = task_of(config)
    return task if task in FINE_TUNED else DEFAULT


def model_class_for(config: Any, task: str) -> type[Any]:
    """Return the class that serves a task for a configuration.

    Raises ModelError where the architecture has no such task, naming those it has, or where the class cannot be
    imported; OptionError for a task nobody knows.
    """
    if task not in AUTO_CLASSES:
        raise unknown("task", task, AUTO_CLASSES)
    found = _lookup(config, task)
    if found is None and task == DEFAULT:
        found = _saved_class(config) or next((_lookup(config, other) for other in tasks_for(config)), None)
    if found is None:
        has = ", ".join(tasks_for(config)) or "none"
        raise ModelError(f"{config.model_type}: has no task {task!r}", hint=f"give --torchscript-task one of: {has}")
    return found


def tasks_for(config: Any) -> list[str]:
    """Return the tasks an architecture has, in the order of the table."""
    return [
        task for task, names in AUTO_CLASSES.items() if any(type(config) in mapping for mapping in _mappings(names))
    ]


def task_of(config: Any) -> str:
    """Return the task of the class a checkpoint was saved from (``architectures``); ``default`` where it tells none."""
    saved = next(iter(getattr(config, "architectures", None) or ()), None)
    for task in tasks_for(config):
        for mapping in _mappings(AUTO_CLASSES[task]):
            if type(config) in mapping and saved in {candidate.__name__ for candidate in _candidates(config, mapping)}:
                return task
    return DEFAULT


def remote_class(config: Any, task: str, source: str) -> type[Any] | None:
    """Return the class that a checkpoint's own code holds for a task, or None. Runs that code: ask the user before.

    Raises ModelError where the code is missing or fails.
    """
    auto_map = getattr(config, "auto_map", None) or {}
    name = next((name for name in AUTO_CLASSES.get(task, ()) if name in auto_map), None)
    if name is None:
        return None
    home = "transformers.dynamic_module_utils"
    get_class = library_name(home, "get_class_from_dynamic_module", used_for="a checkpoint's own code")
    try:
        with quiet():
            found: type[Any] = get_class(auto_map[name], source)
    except Exception as error:  # the code of a checkpoint may raise anything
        raise ModelError(
            f"{source}: its own code for {name} cannot be used: {first_line(error)}",
            hint="check the files beside config.json",
        ) from None
    return found


def require_libraries(model_class: type[Any]) -> None:
    """Raise MissingLibraryError for the stand-in of a class: it names its library when asked for an attribute."""
    try:
        model_class.forward  # noqa: B018 - asks
    except ImportError as error:
        raise import_error(model_class.__name__, error) from None
    except AttributeError:  # no such method: what calls it says so
        pass


def config_for(config: Any, model_class: type[Any]) -> Any:
    """Return the part of a configuration that a class is built from: some text heads take the text part alone."""
    wanted = getattr(model_class, "config_class", None)
    if wanted is None or isinstance(config, wanted):
        return config
    try:
        text = config.get_text_config() if hasattr(config, "get_text_config") else config
    except ValueError:  # of several texts it does not say which
        return next((part for part in vars(config).values() if isinstance(part, wanted)), config)
    return text if isinstance(text, wanted) else config


def _lookup(config: Any, task: str) -> type[Any] | None:
    architectures = getattr(config, "architectures", None) or ()
    for mapping in _mappings(AUTO_CLASSES[task]):
        if type(config) in mapping:
            candidates = _candidates(config, mapping)
            return next((each for each in candidates if each.__name__ in architectures), candidates[0])
    return None


def _mappings(names: tuple[str, ...]) -> Iterator[Any]:
    import transformers

    for name in names:
        mapping = getattr(getattr(transformers, name, None), "_model_mapping", None)
        if mapping is not None:
            yield mapping


def _candidates(config: Any, mapping: Any) -> tuple[type[Any], ...]:
    try:
        found = mapping[type(config)]
    except Exception as error:  # what a model file's imports raise is as varied as they are
        raise ModelError(
            f"{config.model_type}: its class cannot be imported: {first_line(error)}",
            hint="install what the model needs, or use another release of transformers",
        ) from None
    return tuple(found) if isinstance(found, (tuple, list)) else (found,)


def _saved_class(config: Any) -> type[Any] | None:
    import transformers

    for name in getattr(config, "architectures", None) or ():
        found = getattr(transformers, name, None)
        if isinstance(found, type) and isinstance(config, getattr(found, "config_class", None) or ()):
            return found
    return None
