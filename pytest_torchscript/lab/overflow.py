"""What a model loses in half precision: numbers that overflow, or an operation that has no kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pytest_torchscript.errors import InputError, MachineFailure, ModelError
from pytest_torchscript.lab.sizes import format_sizes
from pytest_torchscript.models.eager import Eager
from pytest_torchscript.models.placing import dtype_name
from pytest_torchscript.outputs import tensor_leaves
from pytest_torchscript.tracing.eager_calls import first_nonfinite, raising_call
from pytest_torchscript.tracing.words import spoken

Tensors = Mapping[str, torch.Tensor]

HALF = (torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Overflow:
    """Eager's own answer is not finite where that of float32 is. ``said`` is how much of which output, and the line where it
    starts; ``whole``: some output has so little left that nothing can be compared."""

    said: str = ""
    whole: bool = False


def overflow_of(eager: Eager, inputs: Tensors, answered: Any) -> Overflow:
    """Say whether what a model in half precision answered to some inputs has overflowed. Costs a forward pass in float32 where
    something is not finite, else none."""
    answer = tensor_leaves(answered)
    if all(_finite(leaf) == leaf.numel() for _, leaf in answer):
        return Overflow()
    try:
        wider = tensor_leaves(eager.run(eager.in_dtype(torch.float32), in_float32(inputs)))
    except (Exception, MachineFailure):
        return Overflow()
    if len(wider) != len(answer):
        return Overflow()
    lost = [
        (path, _finite(other) - _finite(leaf), leaf.numel(), _finite(leaf) < leaf.numel() / 2)
        for (path, leaf), (_, other) in zip(answer, wider)
        if _finite(leaf) < _finite(other)
    ]
    if not lost:
        return Overflow()
    told = ", ".join(f"{count} of {size} elements of {_named(path)}" for path, count, size, _ in lost[:3])
    cause = first_nonfinite(lambda: eager.run(eager.copy(), inputs))
    at = f", first at {Path(cause.file).name}:{cause.line} ({cause.evidence})" if cause is not None else ""
    said = f"eager overflows in {dtype_name(eager.dtype)}{at}: {told} are not finite, and are in float32"
    return Overflow(said, any(whole for *_, whole in lost))


def _named(path: str) -> str:
    return f"output {path}" if path and path != "output" else "the output"


def _finite(leaf: torch.Tensor) -> int:
    return int(torch.isfinite(leaf).sum()) if leaf.is_floating_point() else leaf.numel()


def in_float32(inputs: Tensors) -> dict[str, torch.Tensor]:
    """Return inputs of which the floating ones are in float32."""
    return {name: value.float() if value.is_floating_point() else value for name, value in inputs.items()}


def refused_place(
    eager: Eager,
    refused: InputError,
    name: str,
    asked: Mapping[str, str],
    *,
    draw: Callable[[Mapping[str, int]], Tensors],
    choose: Callable[[Callable[[Mapping[str, int]], str]], dict[str, int]],
) -> ModelError | InputError:
    """Return the error of a model called ``name`` that takes nothing on the device and in the dtype that were ``asked`` for.

    Where it takes the same on the CPU and in float32, these are to blame; else what it ``refused`` with.

    ``draw`` makes inputs of some sizes; ``choose`` finds sizes that are not refused.
    """
    plain = Eager(eager.in_dtype(torch.float32).to("cpu"), seed=eager.seed, counted=eager.counted)

    def refusal(sizes: Mapping[str, int]) -> str:
        try:
            plain(in_float32(draw(sizes)))
        except Exception as error:
            return str(error) or type(error).__name__
        return ""

    try:
        sizes = choose(refusal)
    except InputError:
        return refused
    inputs = draw(sizes)
    said: list[str] = []

    def ask() -> Any:
        try:
            return eager.run(eager.copy(), inputs)
        except Exception as error:
            said.extend(spoken(error))
            raise

    cause = raising_call(ask)
    place = [f"at {cause}"] if cause is not None else [line for line in refused.evidence if line.startswith("at ")]
    words = {"dtype": ("in", "float32", "in the dtype"), "device": ("on", "cpu", "on the device")}
    there = " ".join(f"{words[option][0]} {value}" for option, value in asked.items())
    here = " ".join(f"{words[option][0]} {words[option][1]}" for option in asked)
    same = " and ".join(words[option][2] for option in asked)
    flags = " ".join(f"--torchscript-{option} {value}" for option, value in asked.items())
    return ModelError(
        f"{name} does not run {there}; {here} it takes {format_sizes(sizes)}",
        evidence=[*said, *place],
        hint=f"hold what this line reads as a buffer, or make it {same} of its input; or leave out {flags}",
    )
