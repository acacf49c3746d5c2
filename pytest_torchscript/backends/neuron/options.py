"""How a Neuron compilation is asked for: one record, made from an ini value or a marker."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_torchscript.backends.base import Options
from pytest_torchscript.backends.neuron.log import FUSED_THRESHOLD
from pytest_torchscript.errors import OptionError

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

    def arguments(self, backend: str) -> tuple[str, ...]:
        """Return the compiler's arguments: ours first, each left out where the user gave the same option."""
        ours = DEFAULT_ARGUMENTS[backend]
        given = {argument.split("=")[0] for argument in self.compiler_args}
        clashes = {"--fast-math", "--fp32-cast"} if backend == "neuron" else {"--auto-cast"}
        return (() if given & clashes else ours) + self.compiler_args
