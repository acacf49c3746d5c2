"""Sizes of several axes at once: what they cost, how they are kept cheap, and how failing ones shrink."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from pytest_torchscript.spec import Axis

#: Joint sizes whose product stays below this are never cut: no forward pass at such sizes is dear.
CHEAP_VOLUME = 512


def volume(sizes: Mapping[str, int]) -> int:
    """Return the product of all sizes: what a forward pass costs, roughly."""
    product = 1
    for size in sizes.values():
        product *= max(size, 1)
    return product


def within(limit: int, sizes: Mapping[str, int], axes: Mapping[str, Axis]) -> dict[str, int]:
    """Return joint sizes whose product is at most `limit`, the largest halved as often as needed: all ends at once are dear.

    The last cut is as small as it may be: what only shows at a large product shows just below the limit.
    """
    cut = dict(sizes)
    while volume(cut) > limit:
        wide = [name for name, axis in axes.items() if cut[name] > axis.first and not axis.sizes]
        if not wide:
            break
        name = max(wide, key=lambda name: cut[name])
        step, fitting = axes[name].multiple_of, limit * cut[name] // volume(cut)
        cut[name] = max(axes[name].first, max(cut[name] // 2, fitting) // step * step)
    return cut


def smallest_failing(
    failing: Mapping[str, int], fails: Callable[[Mapping[str, int]], bool], axes: Mapping[str, Axis]
) -> dict[str, int]:
    """Shrink failing sizes over all axes until no axis can go lower.

    hypothesis shrinks what it drew itself and cannot be handed a failure found elsewhere, so this does: axis by axis, to a
    fixed point.
    """
    best = dict(failing)

    def along(name: str, size: int) -> bool:
        return fails({**best, name: size})

    changed = True
    while changed:
        changed = False
        for name, axis in axes.items():
            lower = axis.smallest(best[name], partial(along, name))
            if lower < best[name]:
                best[name], changed = lower, True
    return best


def format_sizes(sizes: Mapping[str, int]) -> str:
    """Write sizes as the command line does: ``batch=2 sequence=11``."""
    return " ".join(f"{name}={size}" for name, size in sizes.items()) or "its only size"
