"""Where a model in eval mode still draws random numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.overrides import TorchFunctionMode

_DROPOUTS = {
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "alpha_dropout",
    "feature_dropout",
    "feature_alpha_dropout",
}


class _DropoutWatch(TorchFunctionMode):
    """Notes every call of a dropout function that is really on."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "").rstrip("_")
        if name in _DROPOUTS:
            probability = kwargs.get("p", args[1] if len(args) > 1 else 0.5)
            training = kwargs.get("training", kwargs.get("train", args[2] if len(args) > 2 else True))
            if training and probability:
                self.seen.append(f"{name}(p={probability})")
        elif name == "scaled_dot_product_attention":
            probability = kwargs.get("dropout_p", args[4] if len(args) > 4 else 0.0)
            if probability:
                self.seen.append(f"{name}(dropout_p={probability})")
        return func(*args, **kwargs)


def active_dropout(call: Callable[[], Any]) -> str:
    """Run a call and name the first dropout that was on; an empty string where none was."""
    with _DropoutWatch() as watch:
        call()
    return watch.seen[0] if watch.seen else ""
