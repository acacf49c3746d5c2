"""Call something from a short stack: torch's tracer writes down every frame of Python's stack with every operation.

Below a test stand some sixty frames of pytest's, which no one asks for: with them the trace of a model of many operations takes
half as long again.
"""

from __future__ import annotations

import contextvars
import ctypes
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

import torch

from pytest_torchscript.common.devices import set_up

T = TypeVar("T")
#: So often it is looked whether an interrupt came, where waiting itself hears of none.
_SECONDS = 0.2


def on_short_stack(call: Callable[[], T]) -> T:
    """Return what a call returns, made from a thread whose stack begins with it; what it raises passes through.

    Gradients are on or off there as they are here, and context variables are copied. Whatever else torch keeps for a thread
    (autocast, modes, the stream of a device) a new one has not: where any of that is in use the call is made here. An
    interrupt that comes meanwhile is raised there first, so that nothing goes on behind the back of whoever asked.
    """
    if _has_more_than_gradients():
        return call()
    ended: Future[T] = Future()
    context, gradients = contextvars.copy_context(), torch.is_grad_enabled()

    def there() -> None:
        try:
            with torch.set_grad_enabled(gradients):
                ended.set_result(context.run(call))
        except BaseException as error:
            ended.set_exception(error)

    thread = threading.Thread(target=there, name="torchscript-trace", daemon=True)
    thread.start()
    try:
        while not ended.done():
            wait([ended], timeout=_SECONDS)
    except BaseException as interrupt:
        kind = ctypes.py_object(type(interrupt))
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), kind)
        wait([ended])
        raise
    return ended.result()


def _has_more_than_gradients() -> bool:
    """Whether torch keeps more for this thread than whether gradients are on."""
    inner: Any = torch._C
    return (
        bool(inner._len_torch_function_stack() or inner._len_torch_dispatch_stack())
        or torch.is_inference_mode_enabled()
        or _autocast()
        or bool(set_up())
    )


def _autocast() -> bool:
    """Whether autocast is on, for any device where this torch can tell."""
    for_any = getattr(torch._C, "_is_any_autocast_enabled", None)
    return bool(for_any()) if for_any is not None else torch.is_autocast_enabled() or torch.is_autocast_cpu_enabled()
