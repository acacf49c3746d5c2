"""Keep what libraries say out of the user's output: what matters is told once, by us, in its place.

Imports neither torch nor transformers: what is not loaded says nothing.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

#: Loggers that speak while a model is fetched, built or called.
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
def quiet(*, told: Callable[[str], None] | None = None, category: type[Warning] = Warning) -> Iterator[None]:
    """Silence Python warnings, the libraries' loggers and their progress bars; everything is restored after.

    ``told`` is called with the text of each warning of ``category``, while the code that warns is still on the stack.
    Also a decorator: ``@quiet()``.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        if told is not None:
            stack.enter_context(_heard(told, category))
        stack.enter_context(_at_level(_LOGGERS, logging.CRITICAL + 1))
        stack.enter_context(_no_transformers_bars())
        stack.enter_context(_no_hub_bars())
        yield


@contextlib.contextmanager
def mute() -> Iterator[None]:
    """Be quiet about torch's own loggers too, and about what is printed: an exporter that refuses shows its whole graph."""
    nowhere = io.StringIO()
    with contextlib.ExitStack() as stack:
        stack.enter_context(quiet())
        stack.enter_context(_at_level(("torch", *_of_their_own_level()), logging.CRITICAL + 1))
        stack.enter_context(contextlib.redirect_stdout(nowhere))
        stack.enter_context(contextlib.redirect_stderr(nowhere))
        yield


def _of_their_own_level() -> list[str]:
    """Return the loggers below torch's that do not ask it for their level: ``torch.__trace`` tells all that compiling does."""
    known = list(logging.root.manager.loggerDict.items())
    return [name for name, logger in known if name.startswith("torch.") and getattr(logger, "level", None)]


@contextlib.contextmanager
def _heard(told: Callable[[str], None], category: type[Warning]) -> Iterator[None]:
    def show(message: Any, kind: type[Warning], *_rest: Any, **_named: Any) -> None:
        if issubclass(kind, category):
            told(str(message))

    warnings.filterwarnings("always", category=category)
    before = warnings.showwarning
    warnings.showwarning = cast(Any, show)
    try:
        yield
    finally:
        warnings.showwarning = before


@contextlib.contextmanager
def _at_level(names: Iterable[str], level: int) -> Iterator[None]:
    before = {logger: logger.level for logger in map(logging.getLogger, names) if logger.level != level}
    _set_levels(dict.fromkeys(before, level))
    try:
        yield
    finally:
        _set_levels(before)


def _set_levels(levels: Mapping[logging.Logger, int]) -> None:
    """Set the levels of some loggers. Only the last is told by its method, which makes every logger of the process forget what
    it is enabled for: a third of a millisecond for ten."""
    for logger, level in levels.items():
        logger.level = level
    for logger, level in list(levels.items())[-1:]:
        logger.setLevel(level)


@contextlib.contextmanager
def _no_transformers_bars() -> Iterator[None]:
    if "transformers" not in sys.modules:
        yield
        return
    bars: Any = importlib.import_module("transformers.utils.logging")
    shown = getattr(bars, "is_progress_bar_enabled", lambda: True)()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()


@contextlib.contextmanager
def _no_hub_bars() -> Iterator[None]:
    bars: Any = importlib.import_module("huggingface_hub.utils") if "huggingface_hub" in sys.modules else None
    if bars is None or bars.are_progress_bars_disabled():
        yield
        return
    bars.disable_progress_bars()
    try:
        yield
    finally:
        bars.enable_progress_bars()
