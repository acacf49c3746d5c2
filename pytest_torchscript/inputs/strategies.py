"""Hypothesis strategies over the sizes and inputs of a model: public, for the suite and for tests of your own.

    from hypothesis import given
    from pytest_torchscript import TensorSpec, strategies

    @given(strategies.inputs({"signal": TensorSpec("batch", "time", 16)}))
    def test_length(tensors):
        assert model(**tensors).shape[:2] == tensors["signal"].shape[:2]

Every strategy shrinks towards the smallest sizes, then towards seed 0. Tensors are filled from that one integer by a
torch generator, never element by element: a million values cost what one does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Union

import torch
from hypothesis import strategies as st

from pytest_torchscript.errors import OptionError
from pytest_torchscript.inputs.declare import declare_inputs
from pytest_torchscript.inputs.draw import generator_for, right_padded
from pytest_torchscript.inputs.values import make_inputs
from pytest_torchscript.spec import Axis, InputSpec

Declared = Union[InputSpec, Mapping[str, Any]]

#: Seeds are small: they stand in a failure's text and are read by people.
SEEDS = st.integers(min_value=0, max_value=2**16 - 1)

__all__ = ["axis_sizes", "inputs", "masks", "seeds", "sizes"]


def seeds() -> st.SearchStrategy[int]:
    """Return the seeds that tensors are filled from; shrinks to 0."""
    return SEEDS


def axis_sizes(axis: Axis, *, hints: Iterable[int] = ()) -> st.SearchStrategy[int]:
    """Return the sizes an axis allows; shrinks to the smallest.

    The ends, their neighbours and the `hints` (sizes worth trying; those the axis does not allow are dropped) are drawn
    about as often as all other sizes together, for a needle in a wide range is missed by uniform draws.
    """
    if axis.sizes:
        return st.sampled_from(sorted(axis.sizes))
    step, first, last = axis.multiple_of, axis.first // axis.multiple_of, axis.last // axis.multiple_of
    near = {count for count in (first, first + 1, last - 1, last) if first <= count <= last}
    worth = sorted(near | {hint // step for hint in hints if axis.allows(hint)})
    extra = (last - first + 1) // len(worth) + 1
    # One integer, and sizes that never fall as it grows: so it shrinks through needles and all sizes between alike.
    widened = st.integers(first, last + extra * len(worth))
    return widened.map(lambda place: _narrowed(place, worth, extra) * step)


def _narrowed(place: int, worth: Sequence[int], extra: int) -> int:
    """Return the count at a place of a range in which every count that is worth trying fills `extra` places more."""
    for index, count in enumerate(worth):
        start = count + index * extra
        if place <= start + extra:
            return min(place - index * extra, count)
    return place - len(worth) * extra


def sizes(spec: Declared, *, hints: Iterable[int] = ()) -> st.SearchStrategy[dict[str, int]]:
    """Return a size for every axis of some inputs, all moving at once."""
    tried = tuple(hints)
    axes = _inputs(spec).axes
    return st.fixed_dictionaries({name: axis_sizes(axis, hints=tried) for name, axis in axes.items()})


def inputs(
    spec: Declared, *, at: Mapping[str, int] | None = None, optional: bool = True
) -> st.SearchStrategy[dict[str, Any]]:
    """Return whole sets of inputs by name: every size drawn, every tensor filled from one seed.

    They are the keywords of a call: ``model(**tensors)``, what was declared nested in its containers, constants included.
    ``at`` holds some axes at a size. ``optional`` False leaves optional inputs out.
    Raises OptionError for an axis that no input carries.
    """
    declared = _inputs(spec)
    if not optional:
        declared = declared.without(*declared.optional)
    held = {declared.require_axis(name).name: st.just(size) for name, size in (at or {}).items()}
    drawn = {name: axis_sizes(axis) for name, axis in declared.axes.items()}
    return st.builds(
        lambda chosen, seed: declared.form.build(make_inputs(declared, chosen, seed)),
        st.fixed_dictionaries({**drawn, **held}),
        SEEDS,
    )


def masks(
    batch: int | st.SearchStrategy[int], sequence: int | st.SearchStrategy[int], *, side: str = "right"
) -> st.SearchStrategy[torch.Tensor]:
    """Return int64 masks (batch, sequence) of 1 for real and 0 for padded: the first row full, every row with one real.

    ``side`` is where the padding stands: ``right`` or ``left``.
    """
    if side not in ("right", "left"):
        raise OptionError(f"masks: side={side!r} is not a side", hint="choose from: right, left")
    rows = st.just(batch) if isinstance(batch, int) else batch
    length = st.just(sequence) if isinstance(sequence, int) else sequence

    def make(shape: tuple[int, int], seed: int) -> torch.Tensor:
        mask = right_padded(shape, generator_for(seed, "mask"))
        return mask if side == "right" else mask.flip(-1)

    return st.builds(make, st.tuples(rows, length), SEEDS)


def _inputs(spec: Declared) -> InputSpec:
    return spec if isinstance(spec, InputSpec) else declare_inputs(spec)
