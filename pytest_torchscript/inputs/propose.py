"""Which dims of example tensors may move, and which only together: eager is asked, a few passes an axis."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import chain, combinations, islice

import torch

from pytest_torchscript.errors import InputError
from pytest_torchscript.spec import DEFAULT_BATCH_MAX, DEFAULT_MAX, Axis

Accepts = Callable[[dict[str, torch.Tensor]], bool]
Place = tuple[str, int]

#: Groups tried for one dim before it is taken for fixed: sizes that coincide everywhere must not cost without end.
_GROUPS = 24
_STEPS = (2, 4, 8, 16, 32, 64)
#: Axes of pictures and clips, whose usual range is half to twice the size that was found.
SPACE = ("height", "width", "frames")
#: A size-1 dim broadcasts, which hides that two belong together; it is lifted to this first.
_LIFTED = 3


def find_axes(
    accepts: Accepts,
    examples: Mapping[str, torch.Tensor],
    *,
    names: Mapping[Place, str] | None = None,
    fixed: Collection[Place] = (),
    measured: bool = True,
) -> dict[Place, Axis]:
    """Return the axis of every dim that may move: ``(input, dim) -> Axis``; a dim that is missing is fixed.

    ``names`` are those of dims that are known, and ``fixed`` dims are not asked about. Where the ranges are not to be
    ``measured``, which costs calls at large sizes, they are the usual ones: what eager refuses is found when it is tried. A
    side of a picture is fixed then where patches cut off what is more than fits: 225 is no size of a model for 224.
    """
    if not accepts(dict(examples)):
        shapes = ", ".join(f"{name} {tuple(value.shape)}" for name, value in examples.items())
        raise InputError(
            f"the example tensors are refused by the model itself: {shapes}",
            hint="call the model with them first; give them under the names of forward's parameters",
        )
    asked = _Question(accepts, _telling(accepts, _lifted(accepts, examples)), fixed)
    if not measured:
        named = {place: name for place, name in (names or {}).items() if place not in fixed}
        if not asked.at_once(named) and "channels" in named.values():  # those that no layer counted may be no axis
            asked.at_once([place for place, name in named.items() if name != "channels"])
    groups = asked.rows()
    taken = {place for group in groups for place in group}
    for place in asked.places():
        if place not in taken:
            group = asked.group_of(place, taken=taken)
            groups += [group] if group else []
            taken.update(group)
    known = names or {}
    batch = next((group for group in groups if any(known.get(place) == "batch" for place in group)), None)
    batch = _batch(groups, examples) if batch is None else batch
    axes: dict[Place, Axis] = {}
    # In the order of the inputs: a user reads them there.
    for group in sorted(groups, key=lambda group: min(map(asked.order, group))):
        first = min(group, key=asked.order)
        used = {axis.name for axis in axes.values()}
        told = next((known[place] for place in sorted(group, key=asked.order) if place in known), "")
        if group is batch:
            name = "batch"
        elif told and told != "batch":
            name = told if told not in used else f"{_word(first[0])}_{told}"
        else:
            name = _name(examples, first, batch, taken, used)
        if not measured and name in SPACE and asked.rounds(group):
            continue
        axes.update(dict.fromkeys(group, _described(asked, group, name, examples, measured=measured)))
    return axes


def resized(tensor: torch.Tensor, index: int, size: int) -> torch.Tensor:
    """Return a tensor cut or repeated along one dim to a size: its values stay ones that the model knows."""
    return tensor.index_select(index, torch.arange(size) % max(tensor.shape[index], 1))


def _lifted(accepts: Accepts, examples: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the examples with dims of size 1 enlarged, all those at one position together, where that is accepted."""
    lifted = dict(examples)
    for index in range(max((value.dim() for value in examples.values()), default=0)):
        tried = {
            name: resized(value, index, _LIFTED) if value.dim() > index and value.shape[index] == 1 else value
            for name, value in lifted.items()
        }
        if any(tried[name] is not lifted[name] for name in tried) and accepts(tried):
            lifted = tried
    return lifted


def _telling(accepts: Accepts, examples: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the examples with every second value cleared in those of ones alone, where that is accepted.

    A mask that hides nothing is often not looked at, and then may have any size.
    """
    telling = dict(examples)
    for name, value in examples.items():
        if value.dtype.is_complex or not value.dim() or value.numel() < 2 or not bool((value == 1).all()):
            continue
        odd = (torch.arange(value.shape[-1]) % 2).bool() if value.shape[-1] > 1 else torch.tensor([False])
        tried = {**telling, name: value.masked_fill(odd, 0)}
        telling = tried if accepts(tried) else telling
    return telling


class _Question:
    """What is asked of the model: does it take these dims at that size, all else as in the examples?"""

    def __init__(self, accepts: Accepts, examples: Mapping[str, torch.Tensor], fixed: Collection[Place] = ()) -> None:
        self.accepts = accepts
        self.examples = examples
        self.fixed = fixed
        self._answers: dict[tuple[frozenset[Place], int], bool] = {}

    def places(self) -> Iterator[Place]:
        """Yield every dim: first dims first, so that the batch is found before what may be as large as it."""
        deepest = max((value.dim() for value in self.examples.values()), default=0)
        for index in range(deepest):
            for name, value in self.examples.items():
                if value.dim() > index and value.shape[index] > 0 and (name, index) not in self.fixed:
                    yield name, index

    def order(self, place: Place) -> tuple[int, int]:
        """Return where a dim stands: the input's place, then its own."""
        return list(self.examples).index(place[0]), place[1]

    def rows(self) -> list[tuple[Place, ...]]:
        """Return the first dims that are of one size, size by size, where the model takes them moved together."""
        firsts: dict[int, list[Place]] = {}
        for name, value in self.examples.items():
            if value.dim() and value.shape[0] > 0 and (name, 0) not in self.fixed:
                firsts.setdefault(value.shape[0], []).append((name, 0))
        return [tuple(group) for group in firsts.values() if len(group) > 1 and self.moves(group)]

    def size(self, place: Place) -> int:
        """Return the size of a dim in the examples."""
        return self.examples[place[0]].shape[place[1]]

    def takes(self, group: Sequence[Place], size: int) -> bool:
        """Whether the model takes all dims of a group at a size. The same is not asked twice."""
        question = frozenset(group), size
        if question not in self._answers:
            moved = dict(self.examples)
            for name, index in group:
                moved[name] = resized(moved[name], index, size)
            self._answers[question] = self.accepts(moved)
        return self._answers[question]

    def at_once(self, places: Collection[Place]) -> bool:
        """Ask about all of these dims in one question, as most models let each of them move: a yes is one for each.

        Only of one input, of dims of different sizes: no two of them then have to move together.
        """
        sizes = {self.size(place) for place in places}
        if not places or len(self.examples) > 1 or len(sizes) < len(places):
            return False
        moved = dict(self.examples)
        for name, index in places:
            moved[name] = resized(moved[name], index, self.size((name, index)) + 1)
        if not self.accepts(moved):
            return False
        self._answers.update({(frozenset([place]), self.size(place) + 1): True for place in places})
        return True

    def moves(self, group: Sequence[Place]) -> bool:
        """Whether a group may move at all: by one, or, where only multiples pass, to its double."""
        size = self.size(group[0])
        return self.takes(group, size + 1) or self.takes(group, size * 2)

    def rounds(self, group: Sequence[Place]) -> bool:
        """Whether a side of a square picture moves by a little alone, neither to half its size nor to twice: what is more than
        fits is cut off. A picture that is not square shows by itself that there are several sizes."""
        name, size = group[0][0], self.size(group[0])
        if self.examples[name].shape[-1] != self.examples[name].shape[-2]:
            return False
        return not self.takes(group, size // 2) and not self.takes(group, size * 2)

    def group_of(self, place: Place, *, taken: set[Place]) -> tuple[Place, ...]:
        """Return the smallest group of equal dims found that moves with one, or nothing.

        Dims at the same position are tried first: batch with batch, also where time is as long as the batch.
        """
        size = self.size(place)
        others = [other for other in self.places() if other not in taken | {place} and self.size(other) == size]
        others.sort(key=lambda other: other[1] != place[1])
        aligned = [other for other in others if other[1] == place[1]]
        sets = chain.from_iterable(combinations(others, count) for count in range(1, len(others) + 1))
        for group in (((), tuple(aligned)), islice(sets, _GROUPS), (tuple(others),)):
            found = next((tried for tried in group if self.moves((place, *tried))), None)
            if found is not None:
                return self._reduced((place, *found))
        return ()

    def _reduced(self, group: tuple[Place, ...]) -> tuple[Place, ...]:
        """Return a group less the dims that need not move with its first."""
        for other in group[1:]:
            rest = tuple(each for each in group if each != other)
            group = rest if len(rest) > 0 and self.moves(rest) else group
        return group


def _described(
    asked: _Question, group: tuple[Place, ...], name: str, examples: Mapping[str, torch.Tensor], *, measured: bool
) -> Axis:
    """Return the axis of a group: the multiple its sizes must keep, the smallest and the largest size accepted."""
    size = asked.size(group[0])
    multiple = 1
    if not asked.takes(group, size + 1):
        steps = [step for step in _STEPS if size % step == 0 and step < size]
        multiple = next((step for step in steps if asked.takes(group, size + step)), size)
    ceiling = DEFAULT_BATCH_MAX if name == "batch" else max(DEFAULT_MAX, 2 * size)
    if not measured:
        least, most = (max(size // 2, multiple), size * 2) if name in SPACE else (multiple, max(ceiling, size))
        return Axis(name, min=least, max=most, multiple_of=multiple, typical=size)
    least = _bisect(asked, group, size // multiple, 1, multiple) * multiple
    most = _bisect(asked, group, size // multiple, max(ceiling, size) // multiple, multiple) * multiple
    known = examples[group[0][0]].shape[group[0][1]]
    return Axis(name, min=least, max=most, multiple_of=multiple, typical=known if least <= known <= most else None)


def _bisect(asked: _Question, group: tuple[Place, ...], good: int, end: int, multiple: int) -> int:
    """Return the count of multiples nearest to `end` that is accepted, taking acceptance for one unbroken range."""
    if good == end or asked.takes(group, end * multiple):
        return end
    bad = end
    while abs(bad - good) > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if asked.takes(group, middle * multiple) else (good, middle)
    return good


def _batch(groups: Sequence[tuple[Place, ...]], examples: Mapping[str, torch.Tensor]) -> tuple[Place, ...]:
    """Return the dims that are the batch; none where nothing tells.

    First dims of one size; else what every input carries, the first one as its first dim (the states of a recurrent layer
    have it second) or all of three dims and more as their second; else the first dim of the one input that is more than a
    vector, or of the first input where all first dims are as large.
    """
    rows = [group for group in groups if all(index == 0 for _, index in group)]
    firsts = {value.shape[0] for value in examples.values() if value.dim()}
    larger = [name for name, value in examples.items() if value.dim() > 1]
    found = [group for group in rows if len(group) > 1 or len(examples) == 1]
    everywhere = [group for group in groups if len(examples) > 1 and {name for name, _ in group} == set(examples)]
    found += [group for group in everywhere if (next(iter(examples)), 0) in group]
    if all(value.dim() > 2 for value in examples.values()):
        found += [group for group in everywhere if all(index == 1 for _, index in group)]
    if len(larger) == 1:
        found += [group for group in rows if (larger[0], 0) in group]
    if len(firsts) == 1:
        found += [group for group in rows if (next(iter(examples)), 0) in group]
    return found[0] if found else ()


def _name(
    examples: Mapping[str, torch.Tensor], place: Place, batch: Sequence[Place], moving: set[Place], taken: set[str]
) -> str:
    """Name an axis by what such dims usually are: sequence, time, height and width."""
    name, index = place
    example = examples[name]
    picture = example.dim() >= 4 or (example.dim() == 3 and example.shape[0] in (1, 3) and (name, 0) not in moving)
    whole = not example.dtype.is_floating_point and not example.dtype.is_complex
    last = example.dim() - 1
    if index == 0 and (name, 1) not in batch:
        usual = ""
    elif picture:
        usual = {last: "width", last - 1: "height"}.get(index, "frames" if index != 1 else "")
    else:
        usual = "sequence" if whole and last - ((name, last) in batch) == index else "time"
    if usual and usual not in taken:
        return usual
    return f"dim_{_word(name)}_{index}"


def _word(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "_", name)
