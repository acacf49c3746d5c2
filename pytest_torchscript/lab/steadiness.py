"""Whether eager agrees with itself: no comparison means anything where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from pytest_torchscript.common.seeding import seeded
from pytest_torchscript.lab.kept import BREAKS, CHANGES, CURES, NOTHING, Kept, what_is_kept
from pytest_torchscript.models.eager import Eager
from pytest_torchscript.models.randomness import active_dropout
from pytest_torchscript.models.state import Place, changes, look_at, put_back
from pytest_torchscript.outputs import tensor_leaves


@dataclass(frozen=True)
class Steadiness:
    """``fault`` says why two calls with the same inputs and seed differ, or would; empty where eager is steady.

    ``random``: it draws random numbers, and another seed gives another answer. ``keeps``: one call leaves something to the
    next; ``kept`` is what, where the module itself holds it, what matters first.
    """

    fault: str = ""
    random: bool = False
    keeps: bool = False
    kept: tuple[Kept, ...] = ()

    @property
    def headline(self) -> str:
        """How every check calls a model that does not agree with itself; empty for one that does."""
        return f"not deterministic: {self.fault}" if self.fault else ""


def steadiness_of(eager: Eager, inputs: Mapping[str, torch.Tensor], answer: Any = None) -> Steadiness:
    """Call one copy twice, and under another seed where it draws random numbers; copies of its own where it is unsteady.

    ``answer`` is what it answered before, where it was asked already: then the copy that did so is called again.
    """
    copy = eager.used
    if copy is None or answer is None:
        copy, answer = (fresh := eager.copy()), eager.run(fresh, inputs)
    first = _flat(answer)
    if not _same(first, _flat(eager.run(copy, inputs))):
        return _unsteady(eager, inputs)
    if eager.drew and not _same(first, _flat(eager.run(copy, inputs, seed=eager.seed + 1))):
        dropout = active_dropout(lambda: eager.run(eager.copy(), inputs))
        return Steadiness(f"dropout is left on in eval mode: {dropout}" if dropout else "", random=True)
    return Steadiness()


def _unsteady(eager: Eager, inputs: Mapping[str, torch.Tensor]) -> Steadiness:
    """Say why a second call answers otherwise: by copies that share nothing, for a call may write to the weights."""

    def fresh() -> list[torch.Tensor]:
        return _flat(eager.run(eager.copy(share=False), inputs))

    first = fresh()
    if not _same(first, fresh()):
        with seeded(eager.seed):
            drawn = fresh()
        with seeded(eager.seed):
            again = fresh()
        if _same(drawn, again):
            return Steadiness("it draws random numbers that no torch seed governs")
        return Steadiness(
            "it keeps state between calls outside of itself, or draws random numbers that no seed governs", keeps=True
        )

    used = eager.copy(share=False)
    before = look_at(used, contents=True, weights=True)
    eager.run(used, inputs)
    changed = changes(before, look_at(used, contents=True, weights=True))
    second = _flat(eager.run(used, inputs))

    def effect(place: Place) -> str:
        module = eager.copy(share=False)
        eager.run(module, inputs)
        try:
            put_back(module, place, eager.copy(share=False))
            answer = _flat(eager.run(module, inputs))
        except Exception:  # the others do not fit the first value: it was read
            return BREAKS
        return CURES if _same(first, answer) else NOTHING if _same(second, answer) else CHANGES

    kept = what_is_kept(eager, [inputs], changed, effect)
    return Steadiness(f"it {kept[0]}" if kept else "it keeps state between calls", keeps=True, kept=kept)


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
