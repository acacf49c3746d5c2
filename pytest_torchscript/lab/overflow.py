"""What a model loses in half precision: numbers that overflow, or an operation that has no kernel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pytest_torchscript.errors import InputError, MachineFailure, ModelError
from pytest_torchscript.lab.anchors import choose_anchor
from pytest_torchscript.lab.sizes import format_sizes
from pytest_torchscript.models.placing import dtype_name
from pytest_torchscript.outputs import tensor_leaves
from pytest_torchscript.tracing.eager_calls import first_nonfinite, raising_call
from pytest_torchscript.tracing.words import spoken

if TYPE_CHECKING:
    from pytest_torchscript.lab.subject import Subject

HALF = (torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Overflow:
    """Eager's own answer is not finite where that of float32 is. ``said`` is how much of which output, and the line where it
    starts; ``whole``: some output has so little left that nothing can be compared."""

    said: str = ""
    whole: bool = False


def overflow_of(subject: Subject) -> Overflow:
    """Say whether a model in half precision overflows on its example. Costs a forward pass in float32 where something is not
    finite, else none."""
    eager = subject.eager
    if subject.meta or eager.dtype not in HALF:
        return Overflow()
    answer = tensor_leaves(subject.answer)
    if all(_finite(leaf) == leaf.numel() for _, leaf in answer):
        return Overflow()
    try:
        wider = tensor_leaves(eager.run(eager.in_dtype(torch.float32), in_float32(subject.inputs)))
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
    cause = first_nonfinite(lambda: eager.run(eager.copy(), subject.inputs))
    at = f", first at {Path(cause.file).name}:{cause.line} ({cause.evidence})" if cause is not None else ""
    said = f"eager overflows in {dtype_name(eager.dtype)}{at}: {told} are not finite, and are in float32"
    return Overflow(said, any(whole for *_, whole in lost))


def _named(path: str) -> str:
    return f"output {path}" if path and path != "output" else "the output"


def _finite(leaf: torch.Tensor) -> int:
    return int(torch.isfinite(leaf).sum()) if leaf.is_floating_point() else leaf.numel()


def in_float32(inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return inputs of which the floating ones are in float32."""
    return {name: value.float() if value.is_floating_point() else value for name, value in inputs.items()}


def refused_dtype(subject: Subject, refused: InputError) -> ModelError | InputError:
    """Return the error of a model that takes nothing: where it takes the same in float32, its dtype is to blame."""
    eager = subject.eager
    if subject.settings.dtype in (None, "float32") or subject.meta:
        return refused
    wider = eager.in_dtype(torch.float32)

    def refusal(sizes: Mapping[str, int]) -> str:
        try:
            eager.run(wider, in_float32(subject.draw(sizes)))
        except Exception as error:
            return str(error) or type(error).__name__
        return ""

    try:
        sizes = choose_anchor(subject.spec, refusal, avoid=subject.numbers, requested=subject.settings.anchor)
    except InputError:
        return refused
    inputs = subject.draw(sizes)
    said: list[str] = []

    def ask() -> Any:
        try:
            return eager.run(eager.copy(), inputs)
        except Exception as error:
            said.extend(spoken(error))
            raise

    cause = raising_call(ask)
    place = [f"at {cause}"] if cause is not None else [line for line in refused.evidence if line.startswith("at ")]
    dtype = subject.settings.dtype
    return ModelError(
        f"{subject.loaded.class_name} does not run in {dtype}; in float32 it takes {format_sizes(sizes)}",
        evidence=[*said, *place],
        hint="hold what this line reads as a buffer, or make it in the dtype of its input; "
        f"or leave out --torchscript-dtype {dtype}",
    )
