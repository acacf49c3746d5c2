"""What the user asked for: one serialisable record, made from options, ini values, a marker or keyword arguments.

A leaf: no pytest, no torch. The plugin makes it from the command line, `check` from its keyword arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_torchscript.spec import Axis

WEIGHTS = ("auto", "pretrained", "random", "tiny", "meta")
NEURON_MODES = ("auto", "require", "compile", "emulate", "off")
TASKS = (
    "default",
    "masked-lm",
    "causal-lm",
    "causal-lm-with-past",
    "seq2seq-lm",
    "seq2seq-lm-with-past",
    "sequence-classification",
    "token-classification",
    "question-answering",
    "multiple-choice",
    "next-sentence-prediction",
    "image-classification",
    "object-detection",
    "semantic-segmentation",
    "masked-image-modeling",
    "zero-shot-image-classification",
    "depth-estimation",
    "audio-classification",
    "audio-frame-classification",
    "audio-xvector",
    "ctc",
    "speech-seq2seq",
    "vision2seq",
)


@dataclass(frozen=True)
class Settings:
    """How models are built, exported, moved and judged. Defaults are those of the command line.

    ``task`` None means the checkpoint's own. ``anchor`` maps axis names to sizes; ``leave_out`` names optional inputs
    that the main trace is made without. ``max_examples`` None follows the hypothesis profile. ``neuron_options`` are
    those of a Neuron compilation, by name (backends/neuron/options.py); ``cache`` is a folder for compiled artifacts.
    ``backends`` are names; ``own_backends`` are classes that the repository brings; ``options`` holds by the name of a
    backend its options by name.
    """

    weights: str = "auto"
    task: str | None = None
    backends: tuple[str, ...] = ("torchscript",)
    axes: Mapping[str, Axis] = field(default_factory=dict)
    anchor: Mapping[str, int] = field(default_factory=dict)
    leave_out: tuple[str, ...] = ()
    artifact: str | None = None
    max_examples: int | None = None
    rtol: float | None = None
    atol: float | None = None
    trust_remote_code: bool = False
    neuron: str = "auto"
    neuron_options: Mapping[str, Any] = field(default_factory=dict)
    cache: str | None = None
    own_backends: tuple[type[Any], ...] = ()
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seed: int = 0
    offline: bool = False
