"""What may be fed to a model: axes, tensors and the ordered inputs they make up.

A leaf: torch is imported only for type checkers, so that declaring inputs costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Union

from pytest_torchscript.errors import InputError, OptionError, unknown

if TYPE_CHECKING:
    import torch

    Fill = Callable[["torch.Generator", tuple[int, ...]], "torch.Tensor"]

#: Ranges of axes that are named but not described: wide enough to leave every usual window behind.
DEFAULT_MAX = 512
DEFAULT_BATCH_MAX = 64

Sizes = Mapping[str, int]


@dataclass(frozen=True)
class Axis:
    """A named dynamic dimension, shared by all inputs that carry it.

    ``sizes`` lists the only sizes an axis may take: one size declares it fixed, several are buckets. ``typical`` is a
    size that the model is known to accept (an image size), tried where prime anchors are refused.
    """

    name: str
    min: int = 1
    max: int = DEFAULT_MAX
    multiple_of: int = 1
    sizes: tuple[int, ...] = ()
    typical: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(r"[A-Za-z_]\w*", self.name):
            raise OptionError(f"axis: name={self.name!r} is not a name", hint="use letters, digits and underscores")
        for label in ("min", "max", "multiple_of"):
            value = getattr(self, label)
            if not isinstance(value, int) or isinstance(value, bool) or value < (0 if label != "multiple_of" else 1):
                raise OptionError(
                    f"axis {self.name!r}: {label}={value!r} is not a size", hint="give a whole number from 1"
                )
        if self.min > self.max:
            raise OptionError(
                f"axis {self.name!r}: min={self.min} is larger than max={self.max}", hint=f"write {self.max}:{self.min}"
            )
        if self.first > self.max:
            raise OptionError(
                f"axis {self.name!r}: no multiple of {self.multiple_of} lies between min={self.min} and max={self.max}",
                hint="widen the range",
            )

    @property
    def fixed(self) -> int | None:
        """The one size of an axis that was declared fixed, else None."""
        return self.sizes[0] if len(self.sizes) == 1 else None

    @property
    def first(self) -> int:
        """The smallest size that the range and the multiple allow."""
        return -(-self.min // self.multiple_of) * self.multiple_of

    @property
    def last(self) -> int:
        """The largest size that the range and the multiple allow."""
        return self.max // self.multiple_of * self.multiple_of

    def allows(self, size: int) -> bool:
        """Whether the declaration allows a size; only eager knows whether the model does."""
        if self.sizes:
            return size in self.sizes
        return self.min <= size <= self.max and size % self.multiple_of == 0

    @classmethod
    def fixed_at(cls, name: str, *sizes: int) -> Axis:
        """Return an axis that may only take the given sizes."""
        ordered = tuple(sorted(set(sizes)))
        return cls(name, min=ordered[0], max=ordered[-1], sizes=ordered)


def named_axis(name: str) -> Axis:
    """Return the axis meant by a bare name."""
    return Axis(name, max=DEFAULT_BATCH_MAX if name == "batch" else DEFAULT_MAX)


Dim = Union[Axis, str, int]


@dataclass(frozen=True, init=False)
class TensorSpec:
    """One input: ``TensorSpec("batch", "sequence", dtype=torch.int64, low=0, high=30522)``.

    A dim is an Axis, an axis name, a fixed int, or a sum of names and ints (``"past + sequence"``). ``low`` is inclusive
    and ``high`` exclusive, as in torch.randint; floats without a range are drawn from the standard normal distribution.
    ``dtype`` None means float32.

    ``role`` says what the values mean, where a range cannot: ``ids``, ``mask``, ``types``, ``positions``, ``boxes`` (x0<=x1,
    y0<=y1) … (inputs/values.py draws them). ``fill`` replaces all of that by a function of a torch.Generator and a shape.
    ``special`` are values worth trying (padding, separator, end of text); ``pad`` is what fills padded positions.
    """

    dims: tuple[Dim, ...]
    dtype: torch.dtype | None = None
    low: float | None = None
    high: float | None = None
    optional: bool = False
    role: str = ""
    pad: float = 0
    special: tuple[int, ...] = ()
    fill: Fill | None = field(default=None, compare=False)

    def __init__(
        self,
        *dims: Dim,
        dtype: torch.dtype | None = None,
        low: float | None = None,
        high: float | None = None,
        optional: bool = False,
        role: str = "",
        pad: float = 0,
        special: tuple[int, ...] = (),
        fill: Fill | None = None,
    ) -> None:
        for dim in dims:
            if isinstance(dim, bool) or not isinstance(dim, (Axis, str, int)):
                raise InputError(
                    f"TensorSpec: {dim!r} is not a dim", hint="a dim is an Axis, an axis name or a whole number"
                )
            if isinstance(dim, int) and dim < 0:
                raise InputError(f"TensorSpec: dim={dim} is negative", hint="name the axis instead: 'batch'")
            if isinstance(dim, str):
                _terms(dim)
        if low is not None and high is not None and low >= high:
            raise InputError(
                f"TensorSpec: low={low} is not below high={high}", hint="high is exclusive, as in torch.randint"
            )
        values = (tuple(dims), dtype, low, high, optional, role, pad, tuple(special), fill)
        for name, value in zip(self.__dataclass_fields__, values):
            object.__setattr__(self, name, value)

    def shape(self, sizes: Sizes) -> tuple[int, ...]:
        """Return the shape at the given sizes of the axes."""
        return tuple(dim_size(dim, sizes) for dim in self.dims)

    def axes(self) -> Iterator[Axis]:
        """Yield the axes of the dims in order; a bare name yields its default axis."""
        for dim in self.dims:
            if isinstance(dim, Axis):
                yield dim
            elif isinstance(dim, str):
                yield from (named_axis(term) for term in _terms(dim) if isinstance(term, str))

    def dims_of(self, axis: str) -> tuple[int, ...]:
        """Return the positions of the dims that are exactly this axis."""
        return tuple(index for index, dim in enumerate(self.dims) if dim_name(dim) == axis)

    def updated(self, **changes: Any) -> TensorSpec:
        """Return a copy with some fields changed."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        values.update(changes)
        return TensorSpec(*values.pop("dims"), **values)


def _terms(text: str) -> list[str | int]:
    terms: list[str | int] = []
    for part in text.split("+"):
        word = part.strip()
        if word.isdigit():
            terms.append(int(word))
        elif re.fullmatch(r"[A-Za-z_]\w*", word):
            terms.append(word)
        else:
            raise InputError(
                f"TensorSpec: dim {text!r} is not an axis name",
                hint="write 'batch', or a sum such as 'past + sequence'",
            )
    return terms


def dim_size(dim: Dim, sizes: Sizes) -> int:
    """Return the size of one dim."""
    if isinstance(dim, int):
        return dim
    if isinstance(dim, Axis):
        return sizes[dim.name]
    return sum(term if isinstance(term, int) else sizes[term] for term in _terms(dim))


def dim_name(dim: Dim) -> str | int:
    """Return how a report shows a dim: its axis name, its sum of names, or its number."""
    if isinstance(dim, Axis):
        return dim.name
    return dim.strip() if isinstance(dim, str) else dim


class InputSpec(Mapping[str, TensorSpec]):
    """The ordered inputs of a model, by name, and the axes they share.

    An axis that is described by an Axis anywhere has that range everywhere; two different descriptions are an error.
    """

    def __init__(self, inputs: Mapping[str, TensorSpec], *, axes: Mapping[str, Axis] | None = None) -> None:
        self._inputs = dict(inputs)
        for name, spec in self._inputs.items():
            if not isinstance(spec, TensorSpec):
                raise InputError(
                    f"input {name!r}: {type(spec).__name__} is not a TensorSpec",
                    hint="declare it as TensorSpec('batch', 'time', 16), or give an example tensor",
                )
        self.axes: dict[str, Axis] = self._merge()
        for name, axis in (axes or {}).items():
            if name in self.axes:
                self.axes[name] = axis

    def _merge(self) -> dict[str, Axis]:
        described: dict[str, Axis] = {}
        order: dict[str, Axis] = {}
        for spec in self._inputs.values():
            for dim in spec.dims:
                if isinstance(dim, Axis) and described.setdefault(dim.name, dim) != dim:
                    raise InputError(
                        f"axis {dim.name!r} is described twice: {described[dim.name]} and {dim}",
                        hint="describe it once and use its name in the other inputs",
                    )
            for axis in spec.axes():
                order.setdefault(axis.name, axis)
        return {name: described.get(name, axis) for name, axis in order.items()}

    def __getitem__(self, name: str) -> TensorSpec:
        return self._inputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._inputs)

    def __len__(self) -> int:
        return len(self._inputs)

    def __repr__(self) -> str:
        return f"InputSpec({self._inputs!r})"

    @property
    def moving(self) -> dict[str, Axis]:
        """The axes that may move: all but those declared fixed."""
        return {name: axis for name, axis in self.axes.items() if axis.fixed is None}

    @property
    def optional(self) -> tuple[str, ...]:
        """The names of the inputs that may be left out."""
        return tuple(name for name, spec in self._inputs.items() if spec.optional)

    def without(self, *names: str) -> InputSpec:
        """Return the spec with some inputs left out."""
        return InputSpec({name: spec for name, spec in self._inputs.items() if name not in names}, axes=self.axes)

    def with_axes(self, axes: Mapping[str, Axis]) -> InputSpec:
        """Return the spec with some axes replaced; names that no input carries are ignored."""
        return InputSpec(self._inputs, axes={**self.axes, **axes})

    def with_input(self, name: str, spec: TensorSpec) -> InputSpec:
        """Return the spec with one input replaced or added at the end."""
        return InputSpec({**self._inputs, name: spec}, axes=self.axes)

    def require_axis(self, name: str) -> Axis:
        """Return an axis by name, or raise an OptionError that names the close one."""
        if name in self.axes:
            return self.axes[name]
        raise unknown_axis(name, self.axes)


def unknown_axis(name: str, known: Mapping[str, Any]) -> OptionError:
    """Return the error of an axis that no input carries."""
    return unknown("axis", name, known, listed="the axes are")


def narrowed(axis: Axis, override: Axis) -> Axis:
    """Return what an option made of an axis; the size the model is known to accept is kept, and the step of buckets."""
    steps = override.sizes and all(size % axis.multiple_of == 0 for size in override.sizes)
    return replace(override, typical=axis.typical, multiple_of=axis.multiple_of if steps else override.multiple_of)
