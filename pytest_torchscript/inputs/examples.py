"""Which values may be drawn where a user gave example tensors: eager is asked what it takes beside the examples themselves.

An example tells a range, and often not what binds its values: lengths that sum to a dimension, durations, a permutation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from pytest_torchscript.inputs.draw import generator_for
from pytest_torchscript.inputs.propose import Accepts, resized
from pytest_torchscript.inputs.values import make_inputs
from pytest_torchscript.spec import InputSpec

#: The seeds that checks draw their first inputs from, counted from the run's own.
SEEDS = (0, 1, 2, 3)
#: What is said where no input can be drawn.
ALONE = "eager refuses all values that are drawn: the example tensors alone are used"


class FromExample:
    """Fills an input from its example, cut or repeated to the shape asked for; ``shuffled``, in another order.

    Each row is shuffled within itself: what it sums to stays, and what is its largest.
    """

    def __init__(self, example: torch.Tensor, *, shuffled: bool) -> None:
        self.example = example
        self.shuffled = shuffled

    def __call__(self, generator: torch.Generator, shape: Sequence[int]) -> torch.Tensor:
        """Return values of the example in a tensor of that shape."""
        value = self.example
        for index, size in enumerate(shape):
            if value.shape[index] != size:
                value = resized(value, index, size)
        if self.shuffled and value.dim():
            order = torch.rand(value.shape, generator=generator).argsort(-1)
            value = value.gather(-1, order)
        return value.clone()


def drawable(accepts: Accepts, spec: InputSpec, seed: int) -> tuple[InputSpec, tuple[str, ...]]:
    """Return the spec of examples with inputs that eager takes when they are drawn, and what is to be said of the others.

    An input whose draws are refused is filled with the values of its example in other orders, or as they are. Where that is
    refused as well, no input is drawn: the examples are used alone.
    """
    sizes = spec.sizes_of(spec.examples)

    def taken(tried: InputSpec, names: Sequence[str]) -> bool:
        drawn = (make_inputs(tried, sizes, seed + more) for more in SEEDS)
        return all(accepts({**spec.examples, **{name: made[name] for name in names}}) for made in drawn)

    if taken(spec, tuple(spec)):
        return spec, ()
    shuffled: list[str] = []
    kept: list[str] = []
    inputs = dict(spec)
    for name, tensor in spec.items():
        if taken(spec, [name]):
            continue
        for among, order in ((shuffled, True), (kept, False)):
            inputs[name] = tensor.updated(fill=FromExample(spec.examples[name], shuffled=order))
            if not order or (taken(spec.replaced(inputs), [name]) and _moves(inputs[name].fill, tensor.shape(sizes))):
                among.append(name)
                break
    mixed = spec.replaced(inputs)
    if len(kept) < len(spec) and taken(mixed, tuple(spec)):
        said = {"the values of the example are used in other orders": shuffled, "the example alone is used": kept}
        refused = "eager refuses values drawn from the example's range"
        return mixed, tuple(f"{', '.join(names)}: {refused}; {what}" for what, names in said.items() if names)
    return alone(spec), (ALONE,)


def alone(spec: InputSpec) -> InputSpec:
    """Return the spec whose every input is filled with its example."""
    inputs = {
        name: tensor.updated(fill=FromExample(spec.examples[name], shuffled=False)) for name, tensor in spec.items()
    }
    return spec.replaced(inputs)


def is_kept(spec: InputSpec, name: str) -> bool:
    """Whether an input has no other values than those of its example."""
    fill = spec[name].fill
    return isinstance(fill, FromExample) and not fill.shuffled


def _moves(fill: Callable[..., torch.Tensor] | None, shape: Sequence[int]) -> bool:
    """Whether another order is another value."""
    if not isinstance(fill, FromExample):
        return False
    orders = (fill(generator_for(seed, "order"), shape) for seed in SEEDS)
    return any(not torch.equal(order, fill.example) for order in orders)
