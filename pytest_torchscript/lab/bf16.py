"""The model in bf16 arithmetic on the CPU: what that costs it is the measure for a device that computes in bf16."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from pytest_torchscript.models.calling import Positional
from pytest_torchscript.models.eager import Eager
from pytest_torchscript.outputs import tensor_leaves

COARSE = torch.bfloat16
IN_BF16, ROUNDED = "bf16 on the CPU", "float32 on the CPU, weights and every layer's output rounded to bf16"


class Coarse:
    """Runs a copy of the model in bf16; where torch has no bf16 kernel for an operator, rounds after every layer.

    ``how`` says which of the two it was. Costs one more copy of the weights.
    """

    def __init__(self, eager: Eager) -> None:
        self._eager = eager
        self._names = eager.names
        self._module: Positional | None = None
        self.how = IN_BF16

    def __call__(self, inputs: Mapping[str, torch.Tensor], reference: Any) -> tuple[torch.Tensor, ...]:
        """Return the coarse answer as a flat tuple, in the dtypes of float32's answer."""
        if self._module is None:
            copy = self._eager.in_float64()
            self._module = rounded(copy.float()) if self.how == ROUNDED else copy.to(COARSE)
        try:
            answer = self._run(self._module, {name: _coarse(tensor) for name, tensor in inputs.items()}, reference)
        except Exception:
            if self.how == ROUNDED:
                raise
            self.how, self._module = ROUNDED, None
            return self(inputs, reference)
        return answer

    def free(self) -> None:
        """Drop the copy; it is made again, in the same arithmetic, where another answer is wanted."""
        self._module = None

    def _run(self, module: Positional, inputs: Mapping[str, torch.Tensor], reference: Any) -> tuple[torch.Tensor, ...]:
        if self.how == ROUNDED:
            inputs = {name: tensor.float() if tensor.dtype is COARSE else tensor for name, tensor in inputs.items()}
        leaves = [leaf for _, leaf in tensor_leaves(self._eager.run(module, inputs))]
        expected = [leaf for _, leaf in tensor_leaves(reference)]
        if [leaf.shape for leaf in leaves] != [leaf.shape for leaf in expected]:
            raise ValueError("bf16 takes another path than float32: another shape")
        for leaf, other in zip(leaves, expected):
            if torch.isfinite(other).all() and not torch.isnan(leaf).logical_not().all():
                raise ValueError("bf16 gives NaN where float32 is finite")
        return tuple(leaf.to(other.dtype) for leaf, other in zip(leaves, expected))


def _coarse(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to(COARSE) if tensor.is_floating_point() else tensor


def rounded(wrapped: Positional) -> Positional:
    """Round weights, and by hooks the output of every layer, to what bf16 can hold; arithmetic stays in float32."""
    with torch.no_grad():
        for tensor in [*wrapped.parameters(), *wrapped.buffers()]:
            if tensor.is_floating_point():
                tensor.copy_(tensor.to(COARSE))
    for child in wrapped.modules():
        if not list(child.children()):
            child.register_forward_hook(_round_output)
    return wrapped


def _round_output(_module: nn.Module, _inputs: Any, output: Any) -> Any:
    if isinstance(output, torch.Tensor) and output.is_floating_point():
        return output.to(COARSE).to(output.dtype)
    return output
