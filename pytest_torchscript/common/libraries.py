"""Import what every model takes, once a process, and keep Python's garbage collector away from it.

torch, transformers and hypothesis are half a million objects. While they are imported the collector walks them a dozen times,
again after every few models, and once more when the process ends: three seconds of a run of two tiny models. Nothing of them is
ever garbage. Imports none of them itself.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
from typing import Any

#: What every model takes; this package's checks import the rest of it.
_LIBRARIES = ("torch", "hypothesis.strategies", "pytest_torchscript.checks")
#: What each model of transformers imports, in the releases that have it; the last brings torch's compiler.
_OF_TRANSFORMERS = ("transformers.modeling_utils", "transformers.masking_utils")


def import_libraries(*, transformers: bool) -> None:
    """Import what checking takes, and what transformers' models do, then have the collector leave alone all that is there.

    Nothing where all was imported before: whoever did that has objects that may become garbage. What cannot be imported is
    told of where it is used. What is garbage by now is dropped first.
    """
    names = (*_LIBRARIES, *(("transformers",) if transformers else ()))
    if all(name in sys.modules for name in names):
        return
    torch_was_there = "torch" in sys.modules
    gc.collect()
    collecting = gc.isenabled()
    gc.disable()
    try:
        for name in (*names, *(_OF_TRANSFORMERS if transformers else ())):
            with contextlib.suppress(Exception):  # a broken library may raise anything
                importlib.import_module(name)
        if not (torch_was_there and any_scripted()):
            gc.freeze()
    finally:
        if collecting:
            gc.enable()


def any_scripted() -> bool:
    """Whether a scripted or traced module is alive in this process, among the objects that the collector looks after."""
    torch: Any = sys.modules["torch"]
    return any(issubclass(type(each), torch.jit.ScriptModule) for each in gc.get_objects())
