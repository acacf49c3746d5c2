"""Judge a device that computes in bf16 by bf16 on the CPU, for every check that compares values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pytest_torchscript.compare.three_way import FAILS, Sample, compare_three_way, usual_errors
from pytest_torchscript.errors import first_line
from pytest_torchscript.lab.bf16 import Coarse
from pytest_torchscript.lab.trial import AGREES, DIFFERS, UNDECIDABLE, Judge, Tensors, Trial


@dataclass
class ThreeWayJudge(Judge):
    """Compares three ways: float32 on the CPU, bf16 on the CPU, the device.

    ``ordinary`` yields the inputs of the check `neuron`: what bf16 costs on them is the floor under what it costs on one
    input, where it may be nothing by luck.
    """

    ordinary: Callable[[], Iterable[Tensors]] = tuple

    @cached_property
    def coarse(self) -> Coarse:
        """The model in bf16."""
        return Coarse(self.eager)

    @cached_property
    def answers(self) -> list[tuple[Tensors, Any, Any]]:
        """The ordinary inputs, each with its answer in float32 and in bf16. Kept: bf16 is slow on a CPU."""
        references = ((inputs, self.eager(inputs)) for inputs in self.ordinary())
        return [(inputs, reference, self.coarse(inputs, reference)) for inputs, reference in references]

    @cached_property
    def usual(self) -> dict[str, float]:
        """The error of bf16 by leaf, relative to the leaf's scale."""
        return usual_errors([(reference, coarse) for _, reference, coarse in self.answers])

    def compare(
        self, actual: Any, expected: Any, inputs: Tensors, *, closeness: str = "traced", measured: bool = True
    ) -> Trial:
        """Compare one answer of the device; undecidable where bf16 cannot follow float32."""
        if not self.policy.three_way:
            return super().compare(actual, expected, inputs, closeness=closeness, measured=measured)
        try:
            sample = Sample(expected, self.coarse(inputs, expected), actual)
            found = compare_three_way([sample], usual=self.usual)
        except Exception as error:
            return Trial(UNDECIDABLE, f"bf16 on the CPU cannot follow float32 here: {first_line(error)}")
        if found.verdict != FAILS:
            return Trial(AGREES)
        wrong = [
            f"{leaf.path}: max |device - float32| = {leaf.worst:.3g} (scale {leaf.scale:.3g}), more than bf16 explains: "
            f"{leaf.reason}"
            for leaf in found.leaves
            if leaf.reason
        ]
        return Trial(DIFFERS, "\n".join([*found.problems, *wrong]))

    def free(self) -> None:
        """Drop both copies of the model."""
        super().free()
        self.coarse.free()
