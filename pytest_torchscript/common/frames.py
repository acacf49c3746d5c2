"""Whose code a file is: the model's, torch's, Python's own, that of a helper library, or this package's.

Files are told apart by the folders that these really stand in: a folder of the user's that is called ``torch`` is not torch.
Imports nothing heavy.
"""

from __future__ import annotations

import importlib.util
import os
import sysconfig
import traceback
from functools import lru_cache
from pathlib import Path

_OWN = (str(Path(__file__).parent.parent),)
_LIBRARY = tuple(str(Path(sysconfig.get_path(name))) for name in ("stdlib", "platstdlib"))
_INSTALLED = frozenset(("site-packages", "dist-packages"))
#: Packages that carry out what a model's line asks for, or run the tests; the line that asks is the one to name.
_HELPERS = frozenset(
    (
        "_pytest",
        "pluggy",
        "hypothesis",
        "einops",
        "functorch",
        "jaxtyping",
        "beartype",
        "typeguard",
        "numpy",
        "opt_einsum",
        "torch_neuron",
        "torch_neuronx",
    )
)
_TRACER = str(Path("jit", "_trace.py"))
_RECORDER = str(Path(__file__).with_name("jit.py"))
_CALLING = str(Path("nn", "modules", "module.py"))


@lru_cache(maxsize=4096)
def is_model_file(file: str) -> bool:
    """Whether a file is the model's code: not torch's, not this package's, not Python's, no helper library's."""
    if file.startswith("<frozen ") or _is_under(file, (*_torch(), *_OWN)) or _is_python(file):
        return False
    return _installed_package(file) not in _HELPERS


@lru_cache(maxsize=4096)
def is_machinery(file: str) -> bool:
    """Whether a file only carries out calls: this package's, Python's own, torch's tracer and its call of a module."""
    calling = any(file == os.path.join(folder, name) for folder in _torch() for name in (_TRACER, _CALLING))  # noqa: PTH118
    return calling or file.startswith("<frozen ") or _is_under(file, _OWN) or _is_python(file)


@lru_cache(maxsize=4096)
def is_tracer(file: str) -> bool:
    """Whether a file is that of torch's tracer, or calls it: what lies outside it only asked for the trace."""
    return file == _RECORDER or any(file == os.path.join(folder, _TRACER) for folder in _torch())  # noqa: PTH118 - as torch writes its files


def is_own(file: str) -> bool:
    """Whether a file is this package's."""
    return _is_under(file, _OWN)


def raising_frame(error: BaseException) -> traceback.FrameSummary | None:
    """Return the innermost frame of the model's code that an exception came through; where there is none (a module of
    torch's own), the innermost that is no machinery; None where only machinery raised."""
    frames = traceback.extract_tb(error.__traceback__)[::-1]
    mine = (frame for frame in frames if is_model_file(frame.filename))
    theirs = (frame for frame in frames if not is_machinery(frame.filename))
    return next(mine, None) or next(theirs, None)


@lru_cache(maxsize=1)
def _torch() -> tuple[str, ...]:
    """Return torch's own folder, without importing it."""
    found = importlib.util.find_spec("torch")
    return tuple(str(Path(folder)) for folder in (found.submodule_search_locations or ())) if found else ()


def _installed_package(file: str) -> str:
    parts = Path(file).parts
    return next((parts[n + 1] for n, part in enumerate(parts[:-1]) if part in _INSTALLED), "")


def _is_python(file: str) -> bool:
    """Whether a file is Python's own; packages may be installed below Python's library."""
    return _is_under(file, _LIBRARY) and not _installed_package(file)


def _is_under(file: str, folders: tuple[str, ...]) -> bool:
    return any(file.startswith(folder + os.sep) for folder in folders)
