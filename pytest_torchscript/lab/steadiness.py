"""Whether eager agrees with itself: no comparison means anything where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from pytest_torchscript.models.eager import Eager
from pytest_torchscript.models.randomness import active_dropout
from pytest_torchscript.outputs import tensor_leaves


@dataclass(frozen=True)
class Steadiness:
    """``fault`` says why two calls with the same inputs and seed differ, or would; empty where eager is steady.

    ``random``: it draws random numbers, and another seed gives another answer.
    """

    fault: str = ""
    random: bool = False

    @property
    def headline(self) -> str:
        """How every check calls a model that does not agree with itself; empty for one that does."""
        return f"not deterministic: {self.fault}" if self.fault else ""


def steadiness_of(eager: Eager, inputs: Mapping[str, torch.Tensor]) -> Steadiness:
    """Call one copy twice, two copies once, and one copy under another seed."""
    copy = eager.copy()
    first = _flat(eager.run(copy, inputs))
    if not _same(first, _flat(eager.run(copy, inputs))):
        one, other = (_flat(eager.run(eager.copy(), inputs)) for _ in range(2))
        keeps = _same(one, other)
        return Steadiness(
            "it keeps state between calls" if keeps else "it draws random numbers that no torch seed governs"
        )
    if not _same(first, _flat(eager.run(copy, inputs, seed=eager.seed + 1))):
        dropout = active_dropout(lambda: eager.run(eager.copy(), inputs))
        return Steadiness(f"dropout is left on in eval mode: {dropout}" if dropout else "", random=True)
    return Steadiness()


def _flat(output: Any) -> list[torch.Tensor]:
    return [leaf.detach().clone() for _, leaf in tensor_leaves(output)]


def _same(left: list[torch.Tensor], right: list[torch.Tensor]) -> bool:
    if len(left) != len(right) or any(a.shape != b.shape for a, b in zip(left, right)):
        return False
    if any(leaf.is_meta for leaf in left):
        return True
    return all(
        torch.allclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=True) if a.is_floating_point() else bool((a == b).all())
        for a, b in zip(left, right)
    )
