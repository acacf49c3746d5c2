"""Find what a module takes that nobody described: ask its layers, then eager, with small tensors, until it accepts.

Each argument starts as a small tensor. Where eager refuses, the call is made once more with tensors that know which argument
they come from, and the first layer that each reaches says what it takes: an Embedding its rows, a Linear its features, a
convolution its channels and dims. What no layer tells is tried: sizes of pictures, more dims, whole numbers.

Where a pass of eager is dear, a copy of the model on the meta device is asked instead, for it computes shapes alone: what it
refuses is not asked of eager, and eager is asked once whether it takes the axes that were found so.
"""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import torch
from torch import nn

from pytest_torchscript.errors import first_line
from pytest_torchscript.inputs.declare import Declared, describe, read_inputs, with_role
from pytest_torchscript.inputs.layers import SPACE, Wanted, wanted_by
from pytest_torchscript.inputs.propose import Place, find_axes, resized
from pytest_torchscript.spec import Axis, Dim, InputSpec, TensorSpec, dim_name

#: What asking may cost: calls in all, seconds until eager takes something, and seconds more for its axes. They are of this
#: thread's own time, so that a busy machine finds the same; of the clock's there are never more than the last.
CALLS, SECONDS, SECONDS_FOR_AXES, SECONDS_IN_ALL = 200, 6.0, 4.0, 60.0
#: Sizes of dims that nothing fixes yet, by place: all different, so that what a layer sees shows which is which.
FREE = (2, 7, 11, 13, 17)
#: What a picture's sides, a clip's frames and a series' steps are first, and then in turn. Not square first: that needs it.
SIDES = ((64, 96), *((side, side) for side in (64, 224, 32, 28, 256, 299, 128, 84, 384, 16, 96, 112, 48)))
FRAMES = (8, 16, 4, 32)
STEPS = (7, 16, 32, 64, 400, 4096, 16000)
#: Whole numbers are no samples of a sound: a text is no longer, for attention to so many tokens takes minutes.
LONGEST_TEXT = 400

#: Seconds that calls of eager may cost before shapes alone are asked about: torch itself takes two to learn to.
DEAR = 1.0
#: What a question is answered with that came too late to be asked.
OVER = "not asked any more"

_IDS = re.compile(r"(^|_)(ids?|idx|indices|index|tokens?|words?|labels?|offsets)($|_)")
_LENGTHS = re.compile(r"(^|_)(lengths?|lens)($|_)")
_PICTURES = re.compile(r"(^|_)(images?|imgs?|pixels?|pictures?|pixel_values)_?\d*($|_)")
_UNPACKED = re.compile(r"values to unpack \(expected (\d+)|must have (?:exactly )?(\d) dim|expected (\d)D")


@dataclass(frozen=True)
class Guess:
    """What one argument is taken for: sizes by dim, their names where known, whole numbers from ``low`` to below a bound, a
    pair of tensors.

    ``settled`` are the dims that a layer fixes. ``layer`` is the first layer that it was seen to reach, ``any_rank`` whether
    that takes any number of dims.
    """

    sizes: tuple[int, ...]
    names: tuple[str, ...] = ()
    settled: frozenset[int] = frozenset()
    below: int | None = None
    low: int = 0
    pair: bool = False
    layer: str = ""
    any_rank: bool = False

    def tensors(self, *, meta: bool = False) -> Any:
        """Return the example, or the pair of them; of ``meta`` ones there are shapes alone."""
        made = [self._outline() if meta else self._tensor() for _ in range(2 if self.pair else 1)]
        return tuple(made) if self.pair else made[0]

    def _outline(self) -> torch.Tensor:
        return torch.empty(self.sizes, dtype=torch.float32 if self.below is None else torch.int64, device="meta")

    def _tensor(self) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        if self.below is not None:
            return torch.randint(self.low, max(self.below, self.low + 1), self.sizes, generator=generator)
        return torch.randn(self.sizes, generator=generator)

    def named(self, index: int) -> str:
        """Return what a dim is called, or nothing."""
        return self.names[index] if index < len(self.names) else ""

    def __str__(self) -> str:
        kind = f"whole numbers below {self.below}" if self.below is not None else "floats"
        return f"{'two of ' if self.pair else ''}{kind} {self.sizes}"


Guesses = dict[str, Guess]
#: Calls eager with arguments by name, and raises what it raises.
Call = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True)
class Asked:
    """A copy of a model that may be given hooks, and what calls it."""

    module: nn.Module
    call: Call


@dataclass
class Search:
    """The guesses that were tried and what eager said of each, within the bounds.

    ``outline`` is a copy on the meta device, which ``make_outline`` makes when calls of eager have cost ``dear`` seconds; None
    where the model cannot be asked for shapes alone. ``calls`` are those of eager, ``outlines`` those of that copy; ``cut`` is
    whether a question came too late, ``taken`` what eager is known to take.
    """

    eager: Asked
    make_outline: Callable[[], Asked | None] | None = None
    dear: float = DEAR
    outline: Asked | None = None
    calls: int = 0
    outlines: int = 0
    cut: bool = False
    taken: Guesses = field(default_factory=dict)
    until: float = field(default_factory=lambda: time.thread_time() + SECONDS)
    ends: float = field(default_factory=lambda: time.monotonic() + SECONDS_IN_ALL)
    tried: dict[str, str] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether no more may be asked."""
        return (
            max(self.calls, self.outlines) >= CALLS or time.thread_time() > self.until or time.monotonic() > self.ends
        )

    def refused(self, arguments: Mapping[str, Any]) -> str:
        """Ask eager; what it says where it refuses."""
        if self.over:
            self.cut = True
            return OVER
        self.calls += 1
        said, seconds = _said(self.eager, arguments)
        self.dear -= seconds
        if self.dear < 0 and self.make_outline is not None:
            self.outline, self.make_outline = self.make_outline(), None
            self.check_outline()
        return said

    def check_outline(self) -> None:
        """Ask the copy on meta no more where it refuses what eager has taken."""
        if self.taken and self.unfit(_outlined(self.taken)):
            self.outline = None

    def unfit(self, outlines: Mapping[str, Any]) -> str:
        """Ask the copy on meta; what it says where shapes do not fit. Nothing where it cannot tell, and never asked again."""
        if self.outline is None:
            return ""
        if self.over:
            self.cut = True
            return OVER
        self.outlines += 1
        said, seconds = _said(self.outline, outlines)
        if self.outlines == 1:  # torch loads its rules of shapes
            self.until += seconds
        if "meta" in said.lower():  # a number is read, a tensor stands elsewhere, or torch has no such kernel
            self.outline = None
            return ""
        return said

    def takes(self, guesses: Guesses) -> bool:
        """Whether eager takes what was guessed. The same guess is not asked twice."""
        key = told(guesses)
        if key not in self.tried:
            said = self.unfit(_outlined(guesses))
            said = said or self.refused({name: guess.tensors() for name, guess in guesses.items()})
            self.tried[key] = said
        return not self.tried[key]


def _said(asked: Asked, arguments: Mapping[str, Any]) -> tuple[str, float]:
    """Return what a model says to arguments that it refuses, and the seconds of this thread that it took to answer."""
    start, said = time.thread_time(), ""
    try:
        asked.call(arguments)
    except Exception as error:
        said = first_line(error)
    return said, time.thread_time() - start


def _outlined(guesses: Guesses) -> dict[str, Any]:
    return {name: guess.tensors(meta=True) for name, guess in guesses.items()}


def told(guesses: Guesses) -> str:
    """Return guesses in words."""
    return ", ".join(f"{name}: {guess}" for name, guess in guesses.items())


def required(parameters: Mapping[str, inspect.Parameter]) -> list[str]:
    """Return the parameters that a call must give; one where there are only starred ones."""
    starred = [name for name, item in parameters.items() if item.kind is inspect.Parameter.VAR_POSITIONAL]
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    names = [name for name, item in parameters.items() if item.kind in plain and item.default is item.empty]
    first = next((name for name, item in parameters.items() if item.kind in plain), None)
    return names or starred[:1] or ([first] if first is not None else [])


def search(
    asked: Asked,
    names: list[str],
    *,
    outline: Callable[[], Asked | None] | None = None,
    dear: float = DEAR,
    sides: tuple[tuple[int, int], ...] = (),
    known: Mapping[str, TensorSpec] | None = None,
) -> tuple[Guesses | None, Search]:
    """Return guesses that eager takes, or None, and what was tried.

    ``asked`` is a copy of the model that is given hooks for a while; ``outline`` makes one on the meta device, where that can
    be, when calls have cost ``dear`` seconds. ``sides`` are heights and widths of pictures that the model is known to be made
    for; ``known`` are inputs whose dims are known in part, and tried first.
    """
    state = Search(asked, outline, dear)
    known = known or {}
    guesses = {name: guess_of(known[name]) if name in known else first_guess(name) for name in names}
    while not state.over:
        if state.takes(guesses):
            usual = _by_layers(state, guesses, usual=True)
            if not state.takes(usual):  # what one of them reached may be no layer of its own
                usual = guesses
                for name, guess in _by_layers(state, guesses, usual=True).items():
                    tried = {**usual, name: guess}
                    usual = tried if state.takes(tried) else usual
            guesses = usual
            return _by_layers(state, guesses, keep=True), state
        better = _by_words(_by_layers(state, guesses), state.tried[told(guesses)])
        if told(better) in state.tried:
            break
        guesses = better
    for other in others(guesses, sides):
        if state.over:
            break
        for tried in (other, _by_layers(state, other)):
            if told(tried) not in state.tried and state.takes(tried):
                return _by_layers(state, tried, keep=True), state
    return None, state


def first_guess(name: str) -> Guess:
    """Return what an argument of a name is taken for before anything is asked."""
    if _IDS.search(name):
        return Guess(FREE[:2], ("batch", "sequence"), below=2)
    if _LENGTHS.search(name):  # of what the others hold, as long as they are first
        return Guess(FREE[:1], ("batch",), below=FREE[1] + 1, low=1)
    if "mask" in name:
        return Guess(FREE[:2], below=2)
    return of_rank(4 if _PICTURES.search(name) else 2)


def guess_of(spec: TensorSpec) -> Guess:
    """Return what a spec of an input is as a guess: with its names, and with sizes that are not those of another dim."""
    axes = {axis.name: axis for axis in spec.axes()}
    sizes, names = [], []
    for index, dim in enumerate(spec.dims):
        name = "" if isinstance(dim, int) else str(dim_name(dim))
        axis = axes.get(name)
        usual = axis.typical if axis is not None and axis.typical else FREE[index % len(FREE)]
        sizes.append(dim if isinstance(dim, int) else max(usual, axis.first if axis is not None else 1))
        names.append(name if axis is not None else "")
    settled = frozenset(index for index, dim in enumerate(spec.dims) if isinstance(dim, int))
    whole = spec.dtype is not None and not spec.dtype.is_floating_point
    below = int(spec.high) if isinstance(spec.high, (int, float)) else 2
    return Guess(tuple(sizes), tuple(names), settled, below if whole else None)


def of_rank(rank: int, names: tuple[str, ...] = ()) -> Guess:
    """Return floats with so many dims; four and more are pictures and clips."""
    if not names and rank in (4, 5):
        names = ("batch", "channels", *SPACE[rank - 2])
    sizes = list(FREE[:rank])
    for name, size in (("frames", FRAMES[0]), ("height", SIDES[0][0]), ("width", SIDES[0][1])):
        if name in names:
            sizes[names.index(name)] = size
    if rank in (4, 5) and names[1] == "channels":
        sizes[1] = 3
    return Guess(tuple(sizes), names)


def others(guesses: Guesses, sides: tuple[tuple[int, int], ...] = ()) -> Iterator[Guesses]:
    """Yield what else may be tried: other sizes of what is free, then other numbers of dims, then whole numbers."""
    yield from _other_pictures(guesses, sides)
    whole = all(guess.below is not None for guess in guesses.values())
    for steps in (each for each in STEPS[1:] if each <= LONGEST_TEXT or not whole):
        sizes = dict.fromkeys(("time", "sequence"), steps)
        yield {name: resized_guess(guess, sizes, unnamed=steps) for name, guess in guesses.items()}
    kinds = [of_rank(rank) for rank in (3, 4, 2, 1, 5, 0)]
    kinds += [replace(of_rank(rank), below=2, names=()) for rank in (2, 1, 3)]
    free = [name for name, guess in guesses.items() if not guess.layer]
    for made in product(kinds, repeat=min(len(free), 2)):
        yield {**guesses, **dict(zip(free, made))}
    for rank in (4, 5):
        if len(free) == 1:
            yield from _other_pictures({**guesses, free[0]: of_rank(rank)}, sides)


def _other_pictures(guesses: Guesses, sides: tuple[tuple[int, int], ...]) -> Iterator[Guesses]:
    """Yield pictures and clips of other sizes, those first that are near the beginning of both lists."""
    named = {name for guess in guesses.values() for name in guess.names}
    if "height" not in named:
        return
    frames = FRAMES if "frames" in named else FRAMES[:1]
    small = [side for side in sides if max(side) < SIDES[1][0]]  # of a map of features, more likely
    pictures = list(dict.fromkeys((*(side for side in sides if side not in small), *SIDES, *small)))
    for at in sorted(product(range(len(frames)), range(len(pictures))), key=sum):
        height, width = pictures[at[1]]
        sizes = {"frames": frames[at[0]], "height": height, "width": width}
        yield {name: resized_guess(guess, sizes) for name, guess in guesses.items()}


def resized_guess(guess: Guess, sizes: Mapping[str, int], *, unnamed: int | None = None) -> Guess:
    """Return a guess with other sizes of dims by name; ``unnamed`` is that of free dims but the first."""
    made = [
        size
        if index in guess.settled
        else sizes.get(guess.named(index), unnamed if unnamed and index and not guess.named(index) else size)
        for index, size in enumerate(guess.sizes)
    ]
    return replace(guess, sizes=tuple(made))


class _Known(torch.Tensor):
    """A tensor that knows which arguments it was made from."""

    origins: frozenset[str] = frozenset()

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = super().__torch_function__(func, types, args, kwargs or {})  # type: ignore[no-untyped-call]
        found: frozenset[str] = frozenset()
        for value in _flat((args, kwargs or {})):
            found |= getattr(value, "origins", frozenset())
        for value in _flat(made):
            if isinstance(value, _Known):
                value.origins = found
        return made


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _flat(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _flat(item)


@dataclass(frozen=True)
class Reached:
    """A layer that an argument reached first: what it takes there, and what it saw."""

    layer: str
    wanted: Wanted
    shape: tuple[int, ...]
    whole: bool
    several: bool


class _EnoughError(Exception):
    """Ends a call of which nothing more is wanted."""


def reached(asked: Asked, guesses: Guesses, *, meta: bool = False) -> dict[str, Reached]:
    """Return the first layer that each argument reaches, by name; what the call raises is of no interest."""
    found: dict[str, Reached] = {}

    def watch(layer: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None) -> None:
        given = [*args, *(kwargs or {}).values()]
        for wanted, value in zip(wanted_by(layer), given):
            several = isinstance(value, (tuple, list))
            tensor = next((item for item in _flat(value) if isinstance(item, _Known)), None)
            for name in tensor.origins if tensor is not None else ():
                if name not in found and tensor is not None:
                    whole = not tensor.is_floating_point()
                    found[name] = Reached(type(layer).__name__, wanted, tuple(tensor.shape), whole, several)
        if len(found) == len(guesses):
            raise _EnoughError

    keywords = "with_kwargs" in inspect.signature(nn.Module.register_forward_pre_hook).parameters  # torch 2.0 and later
    handles = [
        layer.register_forward_pre_hook(watch, **({"with_kwargs": True} if keywords else {}))
        for layer in asked.module.modules()
        if not isinstance(layer, torch.jit.ScriptModule) and wanted_by(layer)
    ]
    try:
        with torch.no_grad():
            asked.call({name: _known(guess.tensors(meta=meta), name) for name, guess in guesses.items()})
    except Exception:
        pass  # the layers were asked, not the answer
    finally:
        for handle in handles:
            handle.remove()
    return found


def _known(value: Any, name: str) -> Any:
    if isinstance(value, tuple):
        return tuple(_known(item, name) for item in value)
    made = value.as_subclass(_Known)
    made.origins = frozenset([name])
    return made


def _by_layers(state: Search, guesses: Guesses, **how: bool) -> Guesses:
    """Return the guesses as the first layers want them, see `_fitted`."""
    found = reached(state.outline or state.eager, guesses, meta=state.outline is not None)
    return {name: _fitted(guess, found[name], **how) if name in found else guess for name, guess in guesses.items()}


def _fitted(guess: Guess, seen: Reached, *, keep: bool = False, usual: bool = False) -> Guess:
    """Return a guess as a layer wants it; ``usual`` with its usual number of dims, though it takes others.

    ``keep`` takes over only what the layer calls its dims, and which of them it fixes.
    """
    wanted, rank = seen.wanted, len(seen.shape)
    whole = seen.shape == guess.sizes
    names = wanted.names if whole and len(wanted.names) == rank else guess.names
    if keep:
        settled = {index % rank for index in wanted.sizes} if whole else set()
        any_rank = not wanted.ranks
        return replace(guess, layer=seen.layer, names=names, settled=guess.settled | settled, any_rank=any_rank)
    if wanted.pair and not seen.several:
        guess = replace(guess, pair=True)
    if wanted.ranks and rank not in (wanted.ranks[:1] if usual else wanted.ranks):
        more = len(guess.sizes) + wanted.ranks[0] - rank
        if not 0 <= more <= len(FREE):
            return replace(guess, layer=seen.layer)
        made = of_rank(more, wanted.names if len(wanted.names) == more else ())
        guess, names = replace(made, below=guess.below, pair=guess.pair), made.names
        if more == wanted.ranks[0]:
            seen = replace(seen, shape=made.sizes)
            rank = more
    sizes, settled = list(guess.sizes), set(guess.settled)
    for index, size in [*wanted.sizes.items(), *((index, step) for index, step in wanted.multiples.items())]:
        if seen.shape != guess.sizes and _size_at(seen.shape, index) == size and size not in guess.sizes:
            continue  # a dim that the model itself adds
        place = _place_of(guess, seen.shape, index)
        if place is None:
            continue
        if index in wanted.sizes:
            sizes[place] = size
            settled.add(place)
        else:
            sizes[place] = size * max(1, sizes[place] // size)
    return replace(
        guess, sizes=tuple(sizes), names=names, settled=frozenset(settled), below=wanted.below, layer=seen.layer
    )


def _size_at(shape: tuple[int, ...], index: int) -> int | None:
    return shape[index] if -len(shape) <= index < len(shape) else None


def _place_of(guess: Guess, shape: tuple[int, ...], index: int) -> int | None:
    """Return which dim of an argument a layer saw as its own: by the size, which no other dim has, else by place."""
    seen = _size_at(shape, index)
    if seen is None:
        return None
    if shape != guess.sizes:
        same = [place for place, size in enumerate(guess.sizes) if size == seen]
        if len(same) == 1:
            return same[0]
    place = index if index < 0 else index - len(shape)
    return len(guess.sizes) + place if len(guess.sizes) + place >= 0 else None


def _by_words(guesses: Guesses, said: str) -> Guesses:
    """Return the guesses with as many dims as eager says that it unpacks, where a layer told nothing."""
    found = _UNPACKED.search(said)
    free = [name for name, guess in guesses.items() if not guess.layer]
    if found is None or not free:
        return guesses
    rank = int(next(group for group in found.groups() if group))
    names = [name for name in free if len(guesses[name].sizes) != rank]
    return {**guesses, **{name: of_rank(rank) for name in names[:1] if rank <= len(FREE)}}


def spread(guesses: Guesses, state: Search) -> Guesses:
    """Return the guesses with dims of different inputs made different where eager lets them: equal sizes look like one axis."""
    sizes = iter((3, 5, 19, 23, 29, 31, 37, 41))
    for name in list(guesses)[1:]:
        for index in range(len(guesses[name].sizes)):
            guess = guesses[name]
            if index in guess.settled or guess.named(index) in ("height", "width", "frames"):
                continue
            size = next(sizes, None)
            if size is None:
                return guesses
            old = guess.sizes[index]
            later = list(guesses)[list(guesses).index(name) :]
            for together in ([name], later):  # keys and values of an attention move together
                moved = {each: _with_size(guesses[each], index, old, size) for each in together}
                if state.takes({**guesses, **moved}):
                    guesses = {**guesses, **moved}
                    break
    return guesses


def _moved(examples: Mapping[str, torch.Tensor], axes: Mapping[Place, Axis]) -> dict[str, torch.Tensor]:
    """Return examples with every dim that has an axis one step larger."""
    moved = dict(examples)
    for (name, index), axis in axes.items():
        moved[name] = resized(moved[name], index, moved[name].shape[index] + axis.multiple_of)
    return moved


def _with_size(guess: Guess, index: int, old: int, size: int) -> Guess:
    if index >= len(guess.sizes) or guess.sizes[index] != old or index in guess.settled:
        return guess
    return replace(guess, sizes=(*guess.sizes[:index], size, *guess.sizes[index + 1 :]))


def _axes_of(
    plain: Declared, state: Search, named: Mapping[Place, str], fixed: set[Place]
) -> tuple[dict[Place, Axis], bool]:
    """Return the axes that move, and whether eager was asked about them: in time, where shapes alone allowed them."""
    examples = plain.examples
    by_shapes = False

    def accepts(tensors: Mapping[str, torch.Tensor]) -> bool:
        nonlocal by_shapes
        if all(tensors[name] is example for name, example in examples.items()):
            return True
        if state.outline is not None:
            said = state.unfit(plain.form.build({name: tensor.to("meta") for name, tensor in tensors.items()}))
            if state.outline is not None:  # it could tell
                by_shapes = by_shapes or not said
                return not said
        return not state.refused(plain.form.build(tensors))

    axes = find_axes(accepts, examples, names=named, fixed=fixed, measured=False)
    refusal = state.refused(plain.form.build(_moved(examples, axes))) if by_shapes and axes else ""
    if refusal and refusal != OVER:
        state.outline = None  # shapes alone do not tell what eager refuses
        return find_axes(accepts, examples, names=named, fixed=fixed, measured=False), True
    return axes, refusal != OVER


def described(guesses: Guesses, state: Search) -> InputSpec:
    """Return what was found as inputs: the axes that eager lets move, under the names that layers give them."""
    state.until, state.cut, state.taken = time.thread_time() + SECONDS_FOR_AXES, False, guesses
    state.check_outline()
    guesses = spread(guesses, state)
    plain = read_inputs({name: guess.tensors() for name, guess in guesses.items()})
    examples = plain.examples
    owner = {name: guesses[name.split(".")[0]] for name in examples}
    named = {
        (name, index): owner[name].named(index)
        for name, example in examples.items()
        for index in range(example.dim())
        if owner[name].named(index)
    }
    fixed = {(name, index) for name in examples for index in owner[name].settled}
    axes, confirmed = _axes_of(plain, state, named, fixed)
    shown: set[str] = set()
    inputs = {}
    notes = []
    for name, example in examples.items():
        dims: list[Dim] = []
        for index, size in enumerate(example.shape):
            axis = axes.get((name, index))
            dims.append(size if axis is None else axis.name if axis.name in shown else axis)
            shown |= {axis.name} if axis is not None else set()
        low, below = owner[name].low, owner[name].below
        counted = next((axis.name for axis in axes.values() if low and below == (axis.typical or 0) + 1), None)
        high = f"{counted} + 1" if counted is not None else max(below or 0, 2)
        values: dict[str, Any] = {} if below is None else {"dtype": torch.int64, "low": low, "high": high}
        inputs[name] = with_role(name, TensorSpec(*dims, **values))
        if not owner[name].layer:
            shape = tuple(example.shape)
            notes.append(f"{name} reaches no layer that says what it takes: eager took a tensor of shape {shape}")
        elif owner[name].any_rank:
            shape = tuple(example.shape)
            notes.append(
                f"{name} reaches a {owner[name].layer}, which takes any number of dims: {shape} was tried; if you ship more, "
                "say so, for nothing is known of an axis that is not there"
            )
    if not confirmed:
        notes.append("asking ended before eager was asked about the axes: they are what the model's shapes allow")
    elif state.cut:
        notes.append("asking ended before all was asked: sizes that were not asked about are taken for fixed")
    spec = InputSpec(inputs, form=plain.form)
    asked = f"the inputs were found by asking eager, in {state.calls} calls"
    return InputSpec(dict(spec), axes=spec.axes, form=spec.form, found=describe(spec), notes=(asked, *notes))
