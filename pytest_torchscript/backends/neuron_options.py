"""How a Neuron compilation is asked for: one record, made from an ini value or a marker."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from pytest_torchscript.backends.neuron_log import FUSED_THRESHOLD
from pytest_torchscript.errors import OptionError, closest

#: Passed explicitly, because the compilers' own defaults changed between releases. Inf1 has no float32 matrix product:
#: its default casts everything to bf16. neuronx-cc 2.27 changed its default from `matmult` to `none`.
DEFAULT_ARGUMENTS = {"neuron": ("--fast-math", "all"), "neuronx": ("--auto-cast", "none")}
#: What is compiled for where there is no device to ask.
DEFAULT_TARGET = "inf2"

#: What to try when an error looks like precision, least costly first (the vendor's mixed-precision note and CLI pages).
LADDERS = {
    "neuron": (
        "--fast-math fp32-cast-matmult",
        "--fast-math fp32-cast-matmult no-fast-relayout",
        "--fast-math none",
        "--fast-math fp32-cast-matmult-fp16 no-fast-relayout",
    ),
    "neuronx": (
        "--auto-cast matmult --auto-cast-type fp16",
        "--auto-cast matmult --auto-cast-type tf32",
        "--auto-cast none",
    ),
}


@dataclass(frozen=True)
class NeuronOptions:
    """Options of a compilation. ``timeout`` in seconds (torch_neuron only); ``target`` counts where no device is found.

    ``dynamic_batch`` leaves dimension 0 free. ``fused_threshold`` is the share of operators, in percent, below which a
    run warns. ``fallback`` False makes an unsupported operator an error instead of CPU work.
    """

    compiler_args: tuple[str, ...] = ()
    timeout: int | None = None
    workdir: str | None = None
    dynamic_batch: bool = False
    fallback: bool = True
    minimum_segment_size: int | None = None
    target: str = DEFAULT_TARGET
    fused_threshold: float = FUSED_THRESHOLD

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> NeuronOptions:
        """Make options from names and values, as text or as Python's own. OptionError for a wrong one."""
        known = {item.name: item for item in fields(cls)}
        made: dict[str, Any] = {}
        for name, value in values.items():
            if name not in known:
                near = closest(name, known)
                hint = (f"did you mean {near!r}? " if near else "") + "options: " + ", ".join(known)
                raise OptionError(f"neuron option {name!r} does not exist", hint=hint)
            made[name] = _read_value(name, value)
        return cls(**made)

    def arguments(self, backend: str) -> tuple[str, ...]:
        """Return the compiler's arguments: ours first, each left out where the user gave the same option."""
        ours = DEFAULT_ARGUMENTS[backend]
        given = {argument.split("=")[0] for argument in self.compiler_args}
        clashes = {"--fast-math", "--fp32-cast"} if backend == "neuron" else {"--auto-cast"}
        return (() if given & clashes else ours) + self.compiler_args


def _read_value(name: str, value: Any) -> Any:
    if name == "compiler_args":
        return tuple(shlex.split(value)) if isinstance(value, str) else _strings(name, value)
    if name in ("dynamic_batch", "fallback"):
        return _flag(name, value)
    if name in ("timeout", "minimum_segment_size"):
        return _number(name, value, int)
    if name == "fused_threshold":
        return _number(name, value, float)
    return str(value)


def _strings(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, Sequence) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise OptionError(f"neuron option {name}={value!r} is not a list of strings", hint="write ['--fast-math', 'none']")


def _flag(name: str, value: Any) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if isinstance(value, bool):
        return value
    if str(value).strip().lower() in words:
        return words[str(value).strip().lower()]
    raise OptionError(f"neuron option {name}={value!r} is not a truth value", hint="write true or false")


def _number(name: str, value: Any, kind: type[Any]) -> Any:
    try:
        number = kind(value)
    except (TypeError, ValueError):
        number = 0
    if number <= 0:
        raise OptionError(f"neuron option {name}={value!r} is not a number above 0", hint=f"write {name} = 600")
    return number
