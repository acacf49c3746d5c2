"""Which devices there are, and how one is let go of."""

from __future__ import annotations

import gc
import sys
from typing import Any

import torch

from pytest_torchscript.common.room import give_back
from pytest_torchscript.errors import OptionError, first_line


def there() -> list[str]:
    """Return the names of the devices of this machine, the CPU first: ``cpu``, ``cuda:0``."""
    names = ["cpu"]
    names += [f"cuda:{number}" for number in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    for kind in ("mps", "xpu", "mtia", "hpu"):
        if _answers(kind) is None:
            names.append(kind)
    return names


def found(name: str) -> torch.device:
    """Return a device by name. OptionError, with those that are there, for one that is not."""
    why = _answers(name)
    if why is None:
        return torch.device(name)
    others = ", ".join(there())
    raise OptionError(
        f"device {name!r} is not there ({why}); torch {torch.__version__} finds {others}",
        hint="give one of these, or leave --torchscript-device out",
    )


def _answers(name: str) -> str | None:
    """Return why no tensor can be made on a device; None where one can."""
    try:
        torch.empty(1, device=name)
    except Exception as error:  # every backend says it in another way
        return first_line(error, limit=100)
    return None


def rounds_to_tf32(device: torch.device) -> bool:
    """Whether float32 is multiplied on a device with the digits of TF32, which are those of float16."""
    if device.type != "cuda":
        return False
    try:
        return bool(torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32)
    except RuntimeError:  # set by the switches of torch 2.9, which the old ones refuse to read
        matmul: Any = torch.backends.cuda.matmul
        cudnn: Any = torch.backends.cudnn
        switches = (matmul.fp32_precision, cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision)
        return "tf32" in switches


def let_go(device: torch.device) -> None:
    """Give the memory of a device back that nothing holds any more, before another model comes to it.

    Of the CPU's the C library keeps what is freed in pieces, gigabytes of a large model, until it is asked.
    """
    gc.collect()
    if device.type == "cpu":
        give_back()
    module: Any = getattr(torch, device.type, None)
    if device.type != "cpu" and hasattr(module, "empty_cache"):
        module.empty_cache()


def wait_for(device: torch.device) -> None:
    """Wait until a device has done all that it was asked: it works beside Python."""
    module: Any = getattr(torch, device.type, None)
    if device.type != "cpu" and hasattr(module, "synchronize"):
        module.synchronize()


def set_up() -> list[str]:
    """Return the kinds of devices that this process has set up: each of its threads has a stream of its own there."""
    return [
        kind for kind in ("cuda", "xpu", "mtia") if getattr(sys.modules.get(f"torch.{kind}"), "is_initialized", bool)()
    ]


def seed_generators(seed: int) -> None:
    """Do what torch.manual_seed does, which writes down the stack for each device that is not set up."""
    if set_up():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def generators_of(device: torch.device) -> list[int]:
    """Return the devices, beside the CPU, whose random numbers a seed would change: what torch.random.fork_rng takes."""
    if device.type != "cuda":
        return []
    return [device.index if device.index is not None else torch.cuda.current_device()]
