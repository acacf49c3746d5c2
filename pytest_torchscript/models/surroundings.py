"""What building a model may not leave behind: log lines, progress bars, Python warnings, and moved random generators."""

from __future__ import annotations

import contextlib
import importlib
import logging
import random
import warnings
from collections.abc import Iterator
from typing import Any

import torch

#: Loggers that speak while a model is built or fetched; the user hears of it from us, in one line.
_LOGGERS = (
    "transformers",
    "huggingface_hub",
    "urllib3",
    "httpx",
    "httpx2",
    "httpcore",
    "filelock",
    "accelerate",
    "timm",
)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the libraries' loggers, progress bars and Python warnings; everything is restored after."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for name in _LOGGERS:
            stack.enter_context(_logger_level(name, logging.CRITICAL + 1))
        stack.enter_context(_no_transformers_bars())
        stack.enter_context(_no_hub_bars())
        yield


@contextlib.contextmanager
def _logger_level(name: str, level: int) -> Iterator[None]:
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextlib.contextmanager
def _no_transformers_bars() -> Iterator[None]:
    from transformers.utils import logging as transformers_logging

    shown = getattr(transformers_logging, "is_progress_bar_enabled", lambda: True)()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


@contextlib.contextmanager
def _no_hub_bars() -> Iterator[None]:
    bars: Any = importlib.import_module("huggingface_hub.utils")
    if bars.are_progress_bars_disabled():
        yield
        return
    bars.disable_progress_bars()
    try:
        yield
    finally:
        bars.enable_progress_bars()


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch, numpy and random, and give their states back after: every process builds equal weights."""
    numpy_random = _numpy_random()
    python_state = random.getstate()
    numpy_state = numpy_random.get_state() if numpy_random is not None else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        random.seed(seed)
        if numpy_random is not None:
            numpy_random.seed(seed)
        try:
            yield
        finally:
            random.setstate(python_state)
            if numpy_random is not None:
                numpy_random.set_state(numpy_state)


def _numpy_random() -> Any:
    try:
        import numpy
    except ImportError:
        return None
    return numpy.random
