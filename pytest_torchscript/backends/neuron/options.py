"""How a Neuron compilation is asked for: one record, made from an ini value or a marker."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_torchscript.backends.base import Options
from pytest_torchscript.backends.neuron.generations import Generation
from pytest_torchscript.backends.neuron.log import FUSED_THRESHOLD
from pytest_torchscript.errors import OptionError

#: What is compiled for where there is no device to ask.
DEFAULT_TARGET = "inf2"


@dataclass(frozen=True)
class NeuronOptions(Options):
    """Options of a compilation. ``timeout`` in seconds (torch_neuron only); ``target`` counts where no device is found.

    ``dynamic_batch`` leaves dimension 0 free. ``fused_threshold`` is the share of operators, in percent, below which a
    run warns. ``fallback`` False makes an unsupported operator an error instead of CPU work. ``mode`` is that of
    ``--torchscript-neuron``; ``cache`` is a folder that compiled artifacts are kept in.
    """

    numbers = "a number above 0"

    mode: str = "auto"
    cache: str | None = None

    compiler_args: tuple[str, ...] = ()
    timeout: int | None = None
    workdir: str | None = None
    dynamic_batch: bool = False
    fallback: bool = True
    minimum_segment_size: int | None = None
    target: str = DEFAULT_TARGET
    fused_threshold: float = FUSED_THRESHOLD

    def __post_init__(self) -> None:
        for name in ("timeout", "minimum_segment_size", "fused_threshold"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise OptionError(f"neuron option {name}={value!r} is not {self.numbers}", hint=f"write {name} = 600")

    def arguments(self, generation: Generation) -> tuple[str, ...]:
        """Return the compiler's arguments: ours first, each left out where the user gave the same option."""
        given = {argument.split("=")[0] for argument in self.compiler_args}
        return (() if given & generation.instead else generation.arguments) + self.compiler_args
