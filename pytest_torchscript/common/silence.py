"""Keep what libraries say of every call out of the user's output: it is told once, by us, where it matters."""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

_LOGGERS = ("transformers", "huggingface_hub")
Function = TypeVar("Function", bound=Callable[..., Any])


@contextmanager
def hushed() -> Iterator[None]:
    """Silence log lines of transformers and the Hub, and Python warnings; levels and filters are restored after."""
    loggers = [(logging.getLogger(name), logging.getLogger(name).level) for name in _LOGGERS]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger, _ in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            for logger, level in loggers:
                logger.setLevel(level)


def hush(function: Function) -> Function:
    """Carry a function out hushed."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with hushed():
            return function(*args, **kwargs)

    return cast(Function, wrapper)
