"""Which sizes of an axis to try, few and each for a reason; what sizes cost, and how a failing one shrinks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pytest_torchscript.spec import Axis

#: Joint sizes whose product stays below this are never cut: no forward pass at such sizes is dear.
CHEAP_VOLUME = 1024


def neighbour(axis: Axis, size: int) -> int:
    """Return the size nearest to `size` that an axis also allows, upwards first: where a differential trace moves to."""
    steps = [size + 2 * axis.multiple_of, size + axis.multiple_of, size - axis.multiple_of, axis.last, axis.first]
    return next((step for step in steps if step != size and step > 0 and axis.allows(step)), size)


def sizes_worth_trying(axis: Axis, anchor: int, *, hints: Sequence[int] = (), numbers: Sequence[int] = ()) -> list[int]:
    """Return sizes in ascending order: ends, 1, the anchor's neighbours, hints, and for every
    power of two and every number of the model's configuration a multiple and a non-multiple.

    One power of two is a multiple of all smaller ones, so a range of 4096 takes three sizes, not twelve.
    """
    if axis.sizes:
        return [size for size in axis.sizes if size != anchor]
    first, last, step = axis.first, axis.last, axis.multiple_of
    wanted = {first, first + step, last, last - step, anchor - step, anchor + step}
    wanted.update(hints)
    for number in numbers:
        wanted.update((number, number + 1, 2 * number))
    power = 1 << max(last.bit_length() - 1, 0)
    wanted.update((power, power + 1, min(64, power), min(16, power)))
    if last - first > 8:
        wanted.add((first + last) // 2 // step * step)
    return sorted(size for size in wanted if axis.allows(size) and size != anchor and size >= 0)


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

    hypothesis shrinks what it drew itself and cannot be handed a failure found elsewhere, so this does: per axis the
    smallest size, then bisection between the largest passing and the smallest failing one, to a fixed point.
    """
    best = dict(failing)
    changed = True
    while changed:
        changed = False
        for name, axis in axes.items():
            lower = _smallest_along(best, name, axis, fails)
            if lower < best[name]:
                best[name], changed = lower, True
    return best


#: Below so many sizes a scan that cannot miss is cheap enough.
SCAN = 64


def _smallest_along(best: Mapping[str, int], name: str, axis: Axis, fails: Callable[[Mapping[str, int]], bool]) -> int:
    below = _allowed_below(axis, best[name])
    if len(below) <= SCAN:
        return next((size for size in below if fails({**best, name: size})), best[name])
    divisors = [size for size in below[:SCAN] if best[name] % size == 0] if below[0] else []
    for size in dict.fromkeys([*below[:3], *divisors]):
        if fails({**best, name: size}):
            return size
    low, high = 2, len(below)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fails({**best, name: below[middle]}) else (middle, high)
    return below[high] if high < len(below) else best[name]


def _allowed_below(axis: Axis, size: int) -> Sequence[int]:
    if axis.sizes:
        return [allowed for allowed in axis.sizes if allowed < size]
    return range(axis.first, size, axis.multiple_of)


def format_sizes(sizes: Mapping[str, int]) -> str:
    """Write sizes as the command line does: ``batch=2 sequence=11``."""
    return " ".join(f"{name}={size}" for name, size in sizes.items()) or "its only size"
