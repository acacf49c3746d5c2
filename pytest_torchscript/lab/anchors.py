"""Which sizes to export at: few candidates, each for a reason."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from pytest_torchscript.errors import InputError
from pytest_torchscript.lab.sizes import format_sizes
from pytest_torchscript.spec import Axis, InputSpec, TensorSpec, dim_name

#: Tells why a model refuses these sizes; an empty string where it takes them.
Refusal = Callable[[Mapping[str, int]], str]


#: An example of more numbers than this (three pictures of 224 x 224) has the smallest batch, whatever else has that size.
_DEAR = 1 << 19


def is_prime(number: int) -> bool:
    """Whether a number is prime; sizes are small, trial division is enough."""
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


def _primes(numbers: Iterable[int]) -> Iterator[int]:
    return (number for number in numbers if is_prime(number))


def anchor_candidates(axis: Axis, taken: Iterable[int], avoid: Iterable[int] = ()) -> Iterator[int]:
    """Yield sizes to trace at, best first: a prime that no other axis and no hyper-parameter has, so that a constant
    in a graph tells which axis it came from; near the size the model is known to accept, where one is."""
    if axis.sizes:
        yield axis.sizes[-1]
        return
    step = axis.multiple_of
    sizes = [prime * step for prime in _primes_for(axis)] or [axis.last, axis.first]
    other = [size for size in sizes if size not in set(taken)]
    yield from (size for size in other if size not in set(avoid))
    yield from other
    yield from sizes


def _primes_for(axis: Axis) -> list[int]:
    """Return some primes that an axis allows, in units of its multiple, best first."""
    low, high = max(axis.first // axis.multiple_of, 2), axis.last // axis.multiple_of
    if axis.typical is not None:
        return list(_primes(range(min(axis.typical // axis.multiple_of, high), low - 1, -1)))[:40]
    smallest = max(low, 2 if axis.name == "batch" else 11)
    # A batch is paid in every pass: of its primes, the first few only.
    upwards = list(_primes(range(smallest, min(high, smallest + 200) + 1)))[: 3 if axis.name == "batch" else 40]
    return upwards + list(_primes(range(min(high, smallest), low - 1, -1)))


def choose_anchor(
    spec: InputSpec, refusal: Refusal, *, avoid: Iterable[int] = (), requested: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Return the sizes to trace at: pairwise different and awkward where eager takes that.

    Raises InputError with eager's own words where it takes none of the sizes tried.
    """
    said = ""
    first: dict[str, int] = {}
    tried = 0
    for sizes in proposals(spec, set(avoid), requested or {}):
        first = first or sizes
        tried += 1
        why = refusal(sizes)
        if not why:
            return sizes
        said = said or why
    raise InputError(
        f"eager refuses all that was drawn for it: {format_sizes(first)}"
        + (f" and {tried - 1} more" if tried > 1 else ""),
        evidence=[*said.splitlines(), *(f"fed: {name}, {_drawn(spec[name], first)}" for name in list(spec)[:_SHOWN])],
        hint=f"change the TensorSpec of {_suspect(spec, said)}, or give a size it takes: --torchscript-anchor NAME=SIZE",
    )


#: So many inputs are shown where none of what was drawn is taken.
_SHOWN = 6


def _drawn(spec: TensorSpec, sizes: Mapping[str, int]) -> str:
    """Return what was drawn for one input, and what it was drawn from."""
    dims = [repr(dim_name(dim)) for dim in spec.dims]
    held = [f"{name}={getattr(spec, name)}" for name in ("dtype", "low", "high") if getattr(spec, name) is not None]
    return f"shape {spec.shape(sizes)}, from TensorSpec({', '.join(dims + held)})"


def _suspect(spec: InputSpec, said: str) -> str:
    """Return the inputs to look at: those that eager's words name, else all."""
    named = [name for name in spec if re.search(rf"\b{re.escape(name)}\b", said)]
    return " or ".join(repr(name) for name in (named or list(spec))[:_SHOWN])


def proposals(spec: InputSpec, avoid: Iterable[int], requested: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Yield sizes to export at, those first that show most: awkward ones, usual ones, multiples, the ends."""
    free = {name: axis for name, axis in spec.axes.items() if name not in requested}
    base = {name: requested[name] for name in spec.axes if name in requested}

    def fill(choose: Callable[[Axis, set[int]], int]) -> dict[str, int]:
        sizes = dict(base)
        for name, axis in free.items():
            sizes[name] = choose(axis, set(sizes.values()))
        if "batch" in free and fed(spec, sizes) > _DEAR:  # every pass of every check pays for it
            sizes["batch"] = min(anchor_candidates(free["batch"], ()))
        return {name: sizes[name] for name in spec.axes}

    def awkward(axis: Axis, taken: set[int]) -> int:
        return next(anchor_candidates(axis, taken, avoid))

    def typical(axis: Axis, taken: set[int]) -> int:
        return axis.typical if axis.typical is not None and axis.allows(axis.typical) else awkward(axis, taken)

    def multiple(step: int, axis: Axis, taken: set[int]) -> int:
        return awkward(axis, taken) if axis.name == "batch" else _multiple(axis, step)

    first = [fill(awkward), fill(typical)]
    if fed(spec, first[0]) > _DEAR:  # sides that differ may be twice as long
        first.sort(key=lambda sizes: fed(spec, sizes))
    yield from first
    for step in (2, 4, 8, 16, 32, 64, 128):  # a model that takes multiples only
        yield fill(functools.partial(multiple, step))
    yield fill(lambda axis, _: axis.first)
    # Not the largest batch as well: it costs much and makes no model take a length that it refuses.
    yield fill(lambda axis, taken: awkward(axis, taken) if axis.name == "batch" else axis.last)


def fed(spec: InputSpec, sizes: Mapping[str, int]) -> int:
    """Return how many numbers inputs of these sizes hold: what a forward pass costs, roughly."""
    return sum(math.prod(tensor.shape(sizes)) for tensor in spec.values())


def _multiple(axis: Axis, step: int) -> int:
    if axis.sizes:
        return axis.sizes[-1]
    size = max(step * 3, -(-axis.first // step) * step)
    while size <= axis.last and not axis.allows(size):
        size += step
    return min(size, axis.last)
