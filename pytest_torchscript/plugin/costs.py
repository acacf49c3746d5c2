"""How long tests of the suite will take, so that workers of xdist are given the longest models first: from the last run, as
pytest's cache has it, else from what a model's configuration says of its size and its parts. And how many threads a worker
may use.

Imports nothing heavy: xdist's controller loads no model.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_torchscript.plugin.ids import split_nodeid

#: Where pytest's cache keeps the seconds of each test.
_KEY = "torchscript/seconds"
#: Seconds of a test of a small model, and what a parameter adds: bert-base's 110 million take 2.6 s a test.
_SMALL, _PARAMETER = 0.1, 2.3e-8
#: How configurations call the width of a model, its number of layers, and its vocabulary.
_WIDTH = ("hidden_size", "d_model", "n_embd", "dim")
_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers", "decoder_layers")
#: Words in the names of what a configuration states, and how many times as long its models take, shrunk or not: attention in
#: windows has many sizes worth trying, pictures and sounds are large, and a decoder is a second model. Measured on the 87
#: architectures of docs/architectures.md, where a text encoder takes 1.7 s, Whisper 6, Swin 16 and BigBird-Pegasus 16.
_SLOWER = (
    (re.compile(r"window|block_size|^local_|detection_tokens"), 4.0),
    (re.compile(r"^depths$|_stages$"), 3.0),
    (re.compile(r"^image_size$|^num_channels$|mel_bins$|^conv_kernel$"), 2.0),
    (re.compile(r"decoder_layers$|^decoder_start_token_id$"), 2.0),
)
#: What tells torch how many threads to use; where one is set, the user has decided.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


class Costs:
    """The seconds that tests will take, as far as can be told without loading a model."""

    def __init__(self, known: Mapping[str, float], weights: str = "auto") -> None:
        self.known = known
        self.weights = weights
        self.guessed: dict[str, float] = {}

    def of(self, nodeids: Iterable[str]) -> float:
        """Return the seconds of some tests together; of the user's own 0, for nothing is known of them."""
        return sum(self.known.get(nodeid, self._guess(nodeid)) for nodeid in nodeids)

    def _guess(self, nodeid: str) -> float:
        suite_id = split_nodeid(nodeid)
        if suite_id is None:
            return 0.0
        if suite_id.reference not in self.guessed:
            config = configuration_of(suite_id.reference)
            parameters = 0 if self.weights in ("tiny", "meta") else parameters_of(config)
            self.guessed[suite_id.reference] = _SMALL * slowness_of(config) + _PARAMETER * parameters
        return self.guessed[suite_id.reference]


def configuration_of(reference: str) -> dict[str, Any]:
    """Return the configuration of a model as it is written down; empty where none is at hand."""
    from pytest_torchscript.models.bundled import bundled_config

    config: Any = None
    with contextlib.suppress(OSError, ValueError):
        config = json.loads((Path(reference) / "config.json").read_text(encoding="utf-8"))
    return config if isinstance(config, dict) else bundled_config(reference) or {}


def slowness_of(config: Mapping[str, Any]) -> float:
    """Return how many times as long as a plain text encoder a model of a configuration takes, by what the configuration
    states."""
    stated = list(_stated(config))
    return math.prod(factor for words, factor in _SLOWER if any(words.search(name) for name in stated))


def _stated(config: Mapping[str, Any]) -> Iterator[str]:
    for name, value in config.items():
        if value:
            yield name
        if isinstance(value, dict):
            yield from _stated(value)


def parameters_of(config: Mapping[str, Any]) -> int:
    """Return about how many parameters a model has, by the width and depth in its configuration; 0 where these are not
    there."""
    width = max([0, *(config[name] for name in _WIDTH if isinstance(config.get(name), int))])
    layers = sum(config[name] for name in _LAYERS if isinstance(config.get(name), int))
    words = config.get("vocab_size")
    return int(width * (words if isinstance(words, int) else 0) + 12 * layers * width**2)


def costs_of(config: pytest.Config, weights: str) -> Costs:
    """Return what is known before a run."""
    cache = getattr(config, "cache", None)  # -p no:cacheprovider
    known = cache.get(_KEY, {}) if cache is not None else {}
    return Costs(known if isinstance(known, dict) else {}, weights)


def remember(config: pytest.Config, seconds: Mapping[str, float]) -> None:
    """Keep what tests of the suite took, by node id, for the next run."""
    cache = getattr(config, "cache", None)
    if cache is not None and seconds:
        known = cache.get(_KEY, {})
        rounded = {nodeid: round(took, 2) for nodeid, took in seconds.items()}
        cache.set(_KEY, {**(known if isinstance(known, dict) else {}), **rounded})


def share_threads(config: pytest.Config) -> int | None:
    """Give a worker its share of the machine's cores, unless the user said how many threads torch is to use; return it.

    Each worker would take all of them, and they would stand in each other's way.
    """
    workers = int(getattr(config, "workerinput", {}).get("workercount", 1))
    if workers < 2 or any(name in os.environ for name in _THREADS):
        return None
    share = max(1, _cores() // workers)
    os.environ["OMP_NUM_THREADS"] = str(share)  # read when torch is imported, here and in processes of this one
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(share)
    return share


def _cores() -> int:
    asked = getattr(os, "sched_getaffinity", None)  # Linux: those that this process may use
    return len(asked(0)) if asked is not None else os.cpu_count() or 1
