"""Every task of the command line, on a tiny model that has it: fed, traced, and the same along every axis."""

from __future__ import annotations

import pytest
import torch
import transformers
from torch import nn

from pytest_torchscript import check
from pytest_torchscript.checks import Lab, make_plan, make_settings
from pytest_torchscript.errors import ModelError
from pytest_torchscript.outputs import tensor_leaves
from pytest_torchscript.settings import TASKS

MODELS = {
    "default": "google-bert/bert-base-uncased",
    "masked-lm": "google-bert/bert-base-uncased",
    "causal-lm": "openai-community/gpt2",
    "causal-lm-with-past": "openai-community/gpt2",
    "seq2seq-lm": "google-t5/t5-small",
    "seq2seq-lm-with-past": "facebook/bart-base",
    "sequence-classification": "distilbert/distilbert-base-uncased",
    "token-classification": "FacebookAI/roberta-base",
    "question-answering": "google-bert/bert-base-uncased",
    "multiple-choice": "google-bert/bert-base-uncased",
    "next-sentence-prediction": "google-bert/bert-base-uncased",
    "image-classification": "microsoft/resnet-50",
    "object-detection": "facebook/detr-resnet-50",
    "semantic-segmentation": "nvidia/segformer-b0-finetuned-ade-512-512",
    "masked-image-modeling": "google/vit-base-patch16-224",
    "zero-shot-image-classification": "openai/clip-vit-base-patch32",
    "depth-estimation": "",  # none is bundled: built below
    "audio-classification": "facebook/wav2vec2-base",
    "audio-frame-classification": "facebook/wav2vec2-base",
    "audio-xvector": "facebook/wav2vec2-base",
    "ctc": "facebook/wav2vec2-base",
    "speech-seq2seq": "openai/whisper-tiny",
    "vision2seq": "microsoft/trocr-base-handwritten",
}


def test_every_task_has_a_model() -> None:
    assert set(MODELS) == set(TASKS)


@pytest.mark.parametrize("task", TASKS)
def test_a_task_runs_on_a_model_that_has_it(task: str) -> None:
    model = MODELS[task] or depth_estimator()
    result = check(model, task=task, weights="tiny", checks=("trace", "outputs", "values"))
    assert result.task == task
    assert result.passed, [item.message for item in result.failures]


def depth_estimator() -> nn.Module:
    config = transformers.GLPNConfig(
        hidden_sizes=[8, 16, 20, 32], depths=[1, 1, 1, 1], num_attention_heads=[1, 2, 2, 4], decoder_hidden_size=16
    )
    model: nn.Module = transformers.GLPNForDepthEstimation(config)
    return model


def test_a_task_that_an_architecture_lacks_lists_those_it_has() -> None:
    with pytest.raises(ModelError, match="has no task 'depth-estimation'") as caught:
        check("facebook/dinov2-base", task="depth-estimation", weights="tiny")
    assert "image-classification" in str(caught.value)


@pytest.mark.parametrize(
    ("reference", "task", "axis"),
    [
        ("openai-community/gpt2", "causal-lm-with-past", "sequence"),
        ("facebook/bart-base", "seq2seq-lm-with-past", "decoder_sequence"),
    ],
)
def test_a_trace_with_past_is_stepped_as_eager_steps_with_its_own_cache(reference: str, task: str, axis: str) -> None:
    lab = make_plan(reference, make_settings(weights="tiny", task=task)).load()
    sizes = {**lab.sizes, "batch": 2, axis: 1, "past_sequence": 1}
    inputs = lab.subject.draw(sizes)
    for step in range(2, 6):
        expected = lab.subject.eager(inputs)
        trial = lab.bench.judge.compare(lab.export.artifact(*inputs.values()), expected, inputs)
        assert trial.status == "agrees", (step, trial)
        inputs = {**lab.subject.draw({**sizes, "past_sequence": step}, step), **flat_cache(lab, expected)}


def flat_cache(lab: Lab, output: object) -> dict[str, torch.Tensor]:
    """Return the cache of an answer under its flat names: each release lays its caches out in its own way."""
    leaves = {path: leaf for path, leaf in tensor_leaves(output) if leaf.dim() == 4}
    names = [name for name in lab.spec if name.startswith("past_key_values.")]
    if not any("cache" in path or ".layers" in path for path in leaves):  # plain tuples, in the order of the names
        return dict(zip(names, leaves.values()))
    holders = {"decoder": "self_attention_cache", "encoder": "cross_attention_cache"}
    found = {}
    for name in names:
        _, layer, *part, kind = name.split(".")
        ends = (f".layers[{layer}].{kind}s", f".{kind}_cache[{layer}]")
        holder = holders[part[0]] if part else ""
        found[name] = next(leaf for path, leaf in leaves.items() if path.endswith(ends) and holder in path)
    return found
