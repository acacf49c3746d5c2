"""What may be fed to a model: axes, tensors and the ordered inputs they make up.

A leaf: torch is imported only for type checkers, so that declaring inputs costs nothing.
"""

from __future__ import annotations

import inspect
import math
import numbers
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Union

from pytest_torchscript.errors import InputError, OptionError, did_you_mean, unknown
from pytest_torchscript.form import Form, plain_form, read_form

if TYPE_CHECKING:
    import torch

    #: Takes a generator, a shape and, where it has a third parameter, the sizes of all axes by name.
    Fill = Callable[..., "torch.Tensor"]

#: Ranges of axes that are named but not described: wide enough to leave every usual window behind.
DEFAULT_MAX = 512
DEFAULT_BATCH_MAX = 64
#: Below so many sizes a scan that cannot miss is cheap enough.
SCAN = 64
#: A range that holds no more than this has no middle worth trying beside its ends.
NARROW = 8

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
        numbers = [(label, getattr(self, label)) for label in ("min", "max", "multiple_of")]
        for label, value in (*numbers, *(("size", size) for size in self.sizes)):
            if not isinstance(value, int) or isinstance(value, bool) or value < (0 if label == "min" else 1):
                raise OptionError(
                    f"axis {self.name!r}: {label}={value!r} is not a size", hint="give a whole number from 1"
                )
        if self.min > self.max:
            raise OptionError(
                f"axis {self.name!r}: min={self.min} is larger than max={self.max}", hint=f"write {self.max}:{self.min}"
            )
        if self.first > self.max or self.last < 1:
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

    def neighbour(self, size: int) -> int:
        """Return the size nearest to `size` that is also allowed, upwards first; `size` itself where there is none."""
        steps = [size + 2 * self.multiple_of, size + self.multiple_of, size - self.multiple_of, self.last, self.first]
        return next((step for step in steps if step != size and step > 0 and self.allows(step)), size)

    def worth_trying(self, anchor: int, *, hints: Iterable[int] = (), numbers: Iterable[int] = ()) -> list[int]:
        """Return sizes to run beside the anchor, ascending: ends, 1, the anchor's neighbours, hints, and for every power of
        two and every number of the model's configuration a multiple and a non-multiple.

        One power of two is a multiple of all smaller ones, so a range of 4096 takes three sizes, not twelve.
        """
        if self.sizes:
            return [size for size in self.sizes if size != anchor]
        first, last, step = self.first, self.last, self.multiple_of
        wanted = {first, first + step, last, last - step, anchor - step, anchor + step, *hints}
        for number in numbers:
            wanted.update((number, number + 1, 2 * number))
        power = 1 << max(last.bit_length() - 1, 0)
        wanted.update((power, power + 1, min(64, power), min(16, power)))
        if last - first > NARROW:
            wanted.add((first + last) // 2 // step * step)
        return sorted(size for size in wanted if self.allows(size) and size != anchor and size >= 0)

    def few(self, anchor: int, hints: Iterable[int] = ()) -> list[int]:
        """Return the sizes to run where nothing but hints is suspicious, ascending: the ends, 1, one in between, the hints."""
        half = -(-anchor // 2 // self.multiple_of) * self.multiple_of
        wanted = {self.first, self.last, 1, half, *hints}
        return sorted(size for size in wanted if self.allows(size) and size != anchor)

    def smallest(self, failing: int, fails: Callable[[int], bool]) -> int:
        """Return the smallest allowed size that fails, up to `failing`, which does.

        A range of many sizes is not scanned: its first sizes and the divisors of `failing` are asked, then what lies between
        the largest that passes and the smallest that fails is halved.
        """
        below: Sequence[int] = range(self.first, failing, self.multiple_of)
        if self.sizes:
            below = [size for size in self.sizes if size < failing]
        if len(below) <= SCAN:
            return next((size for size in below if fails(size)), failing)
        divisors = [size for size in below[:SCAN] if failing % size == 0] if below[0] else []
        for size in dict.fromkeys([*below[:3], *divisors]):
            if fails(size):
                return size
        low, high = 2, len(below)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if fails(below[middle]) else (middle, high)
        return below[high] if high < len(below) else failing

    @classmethod
    def fixed_at(cls, name: str, *sizes: int) -> Axis:
        """Return an axis that may only take the given sizes."""
        if not sizes:
            raise OptionError(
                f"axis {name!r}: it is fixed at no size", hint="give one or more: Axis.fixed_at('time', 16)"
            )
        ordered = tuple(sorted(set(sizes)))
        return cls(name, min=ordered[0], max=ordered[-1], sizes=ordered)


def named_axis(name: str) -> Axis:
    """Return the axis meant by a bare name."""
    return Axis(name, max=DEFAULT_BATCH_MAX if name == "batch" else DEFAULT_MAX)


Dim = Union[Axis, str, int]

#: What the values of an input may mean: inputs/draw.py draws them.
ROLES = ("ids", "closed_ids", "mask", "pixel_mask", "types", "positions", "boxes")


def _of_another_type(label: str, value: object, hint: str) -> InputError:
    return InputError(f"TensorSpec: {label}={value!r} is of type {type(value).__name__}", hint=hint)


def _check_dims(dims: Iterable[Any]) -> None:
    """Raise InputError for what is no dim: an axis, its name, a sum of names, or a whole number."""
    for dim in dims:
        if isinstance(dim, bool) or not isinstance(dim, (Axis, str, int)):
            raise InputError(
                f"TensorSpec: {dim!r} is not a dim", hint="a dim is an Axis, an axis name or a whole number"
            )
        if isinstance(dim, int) and dim < 0:
            raise InputError(f"TensorSpec: dim={dim} is negative", hint="name the axis instead: 'batch'")
        if isinstance(dim, str):
            _terms(dim)


def _check_bounds(low: Any, high: Any) -> None:
    """Raise InputError for a bound that is neither a number nor an axis, and for a range that holds nothing."""
    for label, bound in (("low", low), ("high", high)):
        if isinstance(bound, str):
            _terms(bound, label)
        elif bound is not None and (isinstance(bound, bool) or not isinstance(bound, (int, float))):
            raise _of_another_type(label, bound, f"{label} is a number, or the name of an axis: {label}='nodes'")
        elif bound is not None and not math.isfinite(bound):
            raise InputError(f"TensorSpec: {label}={bound} is not finite", hint="give a number, or leave it out")
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and low >= high:
        raise InputError(
            f"TensorSpec: low={low} is not below high={high}", hint="high is exclusive, as in torch.randint"
        )


@dataclass(frozen=True, init=False)
class TensorSpec:
    """One input: ``TensorSpec("batch", "sequence", dtype=torch.int64, low=0, high=30522)``.

    A dim is an Axis, an axis name, a fixed int, or a sum of products of them (``"past + 4*images"``). ``low`` is inclusive
    and ``high`` exclusive, as in torch.randint; either may be the name of an axis, or a sum: then it is as large as that
    (``high="nodes"`` for an index of nodes). Floats without a range are drawn from the standard normal distribution.
    ``dtype`` None means float32.

    ``role`` says what the values mean, where a range cannot: ``ids``, ``mask``, ``types``, ``positions``, ``boxes`` (x0<=x1,
    y0<=y1) … (inputs/values.py draws them). ``fill`` replaces all of that by a function of a torch.Generator, a shape and,
    where it takes a third argument, the sizes of all axes by name. ``special`` are values worth trying (padding, separator,
    end of text); ``pad`` is what fills padded positions.
    """

    dims: tuple[Dim, ...]
    dtype: torch.dtype | None = None
    low: float | str | None = None
    high: float | str | None = None
    optional: bool = False
    role: str = ""
    pad: float = 0
    special: tuple[int, ...] = ()
    fill: Fill | None = field(default=None, compare=False)

    def __init__(
        self,
        *dims: Dim,
        dtype: torch.dtype | None = None,
        low: float | str | None = None,
        high: float | str | None = None,
        optional: bool = False,
        role: str = "",
        pad: float = 0,
        special: tuple[int, ...] = (),
        fill: Fill | None = None,
    ) -> None:
        _check_dims(dims)
        _check_bounds(low, high)
        if dtype is not None and type(dtype).__name__ != "dtype":
            raise _of_another_type("dtype", dtype, "give torch's own: dtype=torch.int64")
        if not isinstance(optional, bool):
            raise _of_another_type("optional", optional, "give True or False")
        if isinstance(special, (str, bytes)) or not isinstance(special, Iterable):
            raise _of_another_type("special", special, "give numbers: special=(0, 2)")
        special = tuple(special)
        for label, number in (("pad", pad), *(("special", one) for one in special)):
            if isinstance(number, bool) or not isinstance(number, numbers.Real):
                raise _of_another_type(label, number, "give a number")
        if role not in ("", *ROLES):
            raise InputError(
                f"TensorSpec: role {role!r} does not exist",
                hint=f"{did_you_mean(role, ROLES)}choose from: {', '.join(ROLES)}",
            )
        if fill is not None and not callable(fill):
            hint = "fill is a function of a torch.Generator and a shape that returns a tensor"
            raise _of_another_type("fill", fill, hint)
        values = (tuple(dims), dtype, low, high, optional, role, pad, special, fill)
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
                yield from (named_axis(name) for name in _names(_terms(dim)))

    def dims_of(self, axis: str) -> tuple[int, ...]:
        """Return the positions of the dims that are exactly this axis."""
        return tuple(index for index, dim in enumerate(self.dims) if dim_name(dim) == axis)

    def bounding_axes(self) -> Iterator[str]:
        """Yield the names of the axes that ``low`` and ``high`` depend on."""
        for label, bound in (("low", self.low), ("high", self.high)):
            if isinstance(bound, str):
                yield from _names(_terms(bound, label))

    def at(self, sizes: Sizes) -> TensorSpec:
        """Return the spec as it is at some sizes: numbers for bounds that were axes, and a fill that knows the sizes.

        Raises InputError where that leaves no value between low and high.
        """
        changes: dict[str, Any] = {
            label: dim_size(bound, sizes)
            for label, bound in (("low", self.low), ("high", self.high))
            if isinstance(bound, str)
        }
        if changes:
            low, high = changes.get("low", self.low), changes.get("high", self.high)
            if low is not None and high is not None and low >= high:
                where = " ".join(f"{name}={sizes[name]}" for name in dict.fromkeys(self.bounding_axes()))
                raise InputError(
                    f"TensorSpec: low={self.low!r} is not below high={self.high!r} at {where}",
                    hint="high is exclusive: give the axis a larger min, or write high='nodes + 1'",
                )
        if self.fill is not None and _takes_sizes(self.fill):
            fill, known = self.fill, dict(sizes)
            changes["fill"] = lambda generator, shape: fill(generator, shape, known)
        return self.updated(**changes) if changes else self

    def updated(self, **changes: Any) -> TensorSpec:
        """Return a copy with some fields changed."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        values.update(changes)
        return TensorSpec(*values.pop("dims"), **values)


def _takes_sizes(fill: Fill) -> bool:
    """Whether a fill has a third parameter that is given by place."""
    try:
        parameters = inspect.signature(fill).parameters.values()
    except (TypeError, ValueError):  # built in: a callable that shows no signature
        return False
    placed = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    by_place = [parameter for parameter in parameters if parameter.kind in placed]
    return len(by_place) > 2 and (by_place[2].default is inspect.Parameter.empty or by_place[2].name == "sizes")


#: A sum of products: the factor and the axes of each. ``"past + 4*images"`` is ((1, ("past",)), (4, ("images",))).
Terms = tuple[tuple[int, tuple[str, ...]], ...]


def _terms(text: str, label: str = "dim") -> Terms:
    terms: list[tuple[int, tuple[str, ...]]] = []
    for part in text.split("+"):
        factor, names = 1, []
        for word in (each.strip() for each in part.split("*")):
            if word.isdigit():
                factor *= int(word)
            elif re.fullmatch(r"[A-Za-z_]\w*", word):
                names.append(word)
            else:
                raise InputError(
                    f"TensorSpec: {label} {text!r} is not an axis name",
                    hint="write 'batch', or a sum or product such as 'past + 4*images'",
                )
        terms.append((factor, tuple(names)))
    return tuple(terms)


def _names(terms: Terms) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for _, names in terms for name in names))


def _shown(terms: Terms) -> str:
    return " + ".join("*".join([str(factor)] * (factor != 1 or not names) + list(names)) for factor, names in terms)


def _total(terms: Terms, sizes: Sizes) -> int:
    return sum(factor * math.prod(sizes[name] for name in names) for factor, names in terms)


def dim_size(dim: Dim, sizes: Sizes) -> int:
    """Return the size of one dim."""
    if isinstance(dim, int):
        return dim
    if isinstance(dim, Axis):
        return sizes[dim.name]
    return _total(_terms(dim), sizes)


def dim_name(dim: Dim) -> str | int:
    """Return how a report shows a dim: its axis name, its sum of names, or its number."""
    if isinstance(dim, Axis):
        return dim.name
    return dim.strip() if isinstance(dim, str) else dim


class InputSpec(Mapping[str, TensorSpec]):
    """The ordered inputs of a model, by name, and the axes they share.

    An axis that is described by an Axis anywhere has that range everywhere; two different descriptions are an error.

    What is nested comes flat: ``{"state": (h, c)}`` has the inputs ``state.0`` and ``state.1``, and `form` puts them together
    again for a call. `examples` are the tensors that a user gave, if any, by flat name: a trace of theirs is made with
    these. `found` is the declaration, as Python code, where eager was asked for it; `notes` say what else was found then.
    """

    def __init__(
        self,
        inputs: Mapping[str, Any],
        *,
        axes: Mapping[str, Axis] | None = None,
        form: Form | None = None,
        examples: Mapping[str, torch.Tensor] | None = None,
        found: str = "",
        notes: tuple[str, ...] = (),
    ) -> None:
        for label, given in (("inputs", inputs), ("axes", {} if axes is None else axes)):
            if not isinstance(given, Mapping):
                raise InputError(
                    f"InputSpec: {label}={given!r} is of type {type(given).__name__}",
                    hint="give them by name: InputSpec({'x': TensorSpec('batch', 'time', 16)})",
                )
        if form is None:
            form, inputs = read_form(inputs, lambda value: isinstance(value, TensorSpec) or _is_tensor(value))
        self.form = form
        self.found = found
        self.notes = notes
        self.examples: dict[str, torch.Tensor] = dict(examples or {})
        self._inputs: dict[str, TensorSpec] = dict(inputs)
        for name, spec in self._inputs.items():
            if not isinstance(spec, TensorSpec):
                raise InputError(
                    f"input {name!r}: {type(spec).__name__} is not a TensorSpec",
                    hint="declare it as TensorSpec('batch', 'time', 16), or give an example tensor",
                )
        self.axes: dict[str, Axis] = self._merge()
        for name, axis in (axes or {}).items():
            if name in self.axes or name in self._bounding:
                self.axes[name] = axis
        for name in self._bounding - self.axes.keys():
            raise InputError(
                f"TensorSpec: a bound names the axis {name!r}, which no input carries",
                hint=f"{did_you_mean(name, self.axes)}the axes are: {', '.join(self.axes) or 'none'}",
            )

    @property
    def _bounding(self) -> set[str]:
        return {name for spec in self._inputs.values() for name in spec.bounding_axes()}

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

    def replaced(self, inputs: Mapping[str, TensorSpec], *, axes: Mapping[str, Axis] | None = None) -> InputSpec:
        """Return the same form with other specs: all inputs or some of them by flat name, in the order they are fed in."""
        form = self.form if inputs.keys() == self._inputs.keys() else self.form.keeping(tuple(inputs))
        examples = {name: value for name, value in self.examples.items() if name in inputs}
        kept = self.axes if axes is None else axes
        return InputSpec(inputs, axes=kept, form=form, examples=examples, found=self.found, notes=self.notes)

    def without(self, *names: str) -> InputSpec:
        """Return the spec with some inputs left out."""
        return self.replaced({name: spec for name, spec in self._inputs.items() if name not in names})

    def told(self, found: str) -> InputSpec:
        """Return the spec with the declaration that was found."""
        form, examples = self.form, self.examples
        return InputSpec(self._inputs, axes=self.axes, form=form, examples=examples, found=found, notes=self.notes)

    def with_axes(self, axes: Mapping[str, Axis]) -> InputSpec:
        """Return the spec with some axes replaced; names that no input carries are ignored."""
        return self.replaced(self._inputs, axes={**self.axes, **axes})

    def with_input(self, name: str, spec: TensorSpec) -> InputSpec:
        """Return the spec with one input replaced or added at the end."""
        if name in self._inputs:
            return self.replaced({**self._inputs, name: spec})
        form = Form({**self.form.arguments, **plain_form([name]).arguments}, self.form.positional)
        return InputSpec(
            {**self._inputs, name: spec}, axes=self.axes, form=form, examples=self.examples, notes=self.notes
        )

    def at(self, sizes: Sizes) -> InputSpec:
        """Return the spec as it is at some sizes, where bounds and fills depend on them: see `TensorSpec.at`."""
        inputs = {name: spec.at(sizes) for name, spec in self._inputs.items()}
        same = all(inputs[name] is spec for name, spec in self._inputs.items())
        return self if same else self.replaced(inputs)

    def sizes_of(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, int]:
        """Return the size of every axis in some tensors, by flat name.

        Raises InputError where a tensor has not the dims that are declared, or where one axis has two sizes.
        """
        sizes: dict[str, int] = {}
        seen: dict[str, str] = {}
        sums: list[tuple[Terms, int, str]] = []
        for name, tensor in tensors.items():
            spec = self._inputs[name]
            if tensor.dim() != len(spec.dims):
                raise InputError(
                    f"input {name!r}: the example has shape {tuple(tensor.shape)}, declared are the dims "
                    f"{tuple(dim_name(dim) for dim in spec.dims)}",
                    hint="declare one dim for each of the example's",
                )
            for dim, size in zip(spec.dims, tensor.shape):
                terms: Terms = ((1, (dim.name,)),) if isinstance(dim, Axis) else _terms(str(dim))
                sums.append((terms, size, name))
        for terms, size, name in sorted(sums, key=lambda entry: (len(_names(entry[0])), len(entry[0]))):
            unknown = [axis for axis in _names(terms) if axis not in sizes]
            if len(unknown) == 1 and _total(terms, {**sizes, unknown[0]: 1}) <= size:
                one, none = (_total(terms, {**sizes, unknown[0]: count}) for count in (1, 0))
                if (size - none) % (one - none) == 0:
                    sizes[unknown[0]] = (size - none) // (one - none)
                    seen[unknown[0]] = name
            if len(unknown) == 1 and unknown[0] not in sizes and _total(terms, {**sizes, unknown[0]: 0}) == size:
                sizes[unknown[0]], seen[unknown[0]] = 0, name
            if all(axis in sizes for axis in _names(terms)) and size != _total(terms, sizes):
                known, what = _total(terms, sizes), _shown(terms)
                if len(terms) == 1 and terms[0][1] == (what,):
                    said = f"axis {what!r} has two sizes in the examples: {known} in {seen[what]!r}, {size} in {name!r}"
                else:
                    said = f"input {name!r}: the example has {size} where {known} is declared ({what})"
                raise InputError(said, hint="give examples whose sizes fit together, or name the axes otherwise")
        return {name: sizes[name] for name in self.axes if name in sizes}

    def require_axis(self, name: str) -> Axis:
        """Return an axis by name, or raise an OptionError that names the close one."""
        if name in self.axes:
            return self.axes[name]
        raise unknown_axis(name, self.axes)


def unknown_axis(name: str, known: Mapping[str, Any]) -> OptionError:
    """Return the error of an axis that no input carries."""
    return unknown("axis", name, known, listed="the axes are")


def _is_tensor(value: Any) -> bool:
    """Whether a value is a torch.Tensor, asked without torch: what is none was not made by it either."""
    return any(kind.__module__ == "torch" and kind.__name__ == "Tensor" for kind in type(value).__mro__)


def narrowed(axis: Axis, override: Axis) -> Axis:
    """Return what an option made of an axis; the size the model is known to accept is kept, and the step of buckets."""
    steps = override.sizes and all(size % axis.multiple_of == 0 for size in override.sizes)
    return replace(override, typical=axis.typical, multiple_of=axis.multiple_of if steps else override.multiple_of)
