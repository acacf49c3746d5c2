"""The two generations of chips, and all in which their libraries differ: names, defaults of the compilers, cores.

Imports neither torch nor a Neuron library.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Generation:
    """One generation: the backend's ``name``, its library and compiler, and how the compiler is asked.

    ``instances`` is how the names of its instances begin. ``native_from``: from this version on the library of that name
    is another one, an eager device and torch.compile without `trace`. ``arguments`` are passed explicitly, because the
    compilers' own defaults changed between releases, unless the user gives one of ``instead``. ``ladder``: what to try
    when an error looks like precision, least costly first (the vendor's mixed-precision note and CLI pages).
    """

    name: str
    instances: tuple[str, ...]
    library: str
    compiler: str
    compiler_module: str
    compiler_requirement: str
    cores_a_device: int
    arguments: tuple[str, ...]
    instead: frozenset[str]
    ladder: tuple[str, ...]
    needs: str = ""
    native_from: tuple[int, ...] = ()

    @property
    def package(self) -> str:
        """The pip name of its library."""
        return self.library.replace("_", "-")


#: Has no float32 matrix product: the compiler's default casts everything to bf16.
INF1 = Generation(
    "neuron",
    ("inf1",),
    library="torch_neuron",
    compiler="neuron-cc",
    compiler_module="neuroncc",
    compiler_requirement="'neuron-cc[tensorflow]'",
    cores_a_device=4,
    arguments=("--fast-math", "all"),
    instead=frozenset({"--fast-math", "--fp32-cast"}),
    ladder=(
        "--fast-math fp32-cast-matmult",
        "--fast-math fp32-cast-matmult no-fast-relayout",
        "--fast-math none",
        "--fast-math fp32-cast-matmult-fp16 no-fast-relayout",
    ),
    needs="Python 3.9 or 3.10, torch 1.13.1",
)
#: neuronx-cc 2.27 changed its default from `matmult` to `none`.
INF2 = Generation(
    "neuronx",
    ("inf2", "trn"),
    library="torch_neuronx",
    compiler="neuronx-cc",
    compiler_module="neuronxcc",
    compiler_requirement="neuronx-cc",
    cores_a_device=2,
    arguments=("--auto-cast", "none"),
    instead=frozenset({"--auto-cast"}),
    ladder=(
        "--auto-cast matmult --auto-cast-type fp16",
        "--auto-cast matmult --auto-cast-type tf32",
        "--auto-cast none",
    ),
    native_from=(2, 13),
)
GENERATIONS = {generation.name: generation for generation in (INF1, INF2)}
