"""The truth about every specimen, by running it at every size: ``python -m tests.corpus.sweep`` writes truth.json.

That takes some minutes; with names of specimens behind it, only those are swept again.

Nothing here uses the engine under test: the inputs, the trace, the comparison and the verdicts are made anew, and
plainly. An axis is judged with the others at the anchor, and with ordinary inputs; where those already fail at the
anchor, every size fails with them and the axis has no truth of its own (``null``): the values have. A specimen that is
``held`` is an exception: there a size is right where it is right for some values that hold on to the example's.
"""

from __future__ import annotations

import copy
import itertools
import json
import math
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn

from pytest_torchscript import InputSpec

from .table import SPECIMENS

if TYPE_CHECKING:
    from .base import Specimen

TRUTH = Path(__file__).with_name("truth.json")
ANCHOR = {"batch": 2, "time": 11, "sequence": 11, "height": 11, "width": 13, "side": 11}
#: Where the truth may not depend on the anchor: every specimen that does not state one is swept here too.
OTHER_ANCHORS = (
    {"batch": 3, "time": 13, "sequence": 13, "height": 13, "width": 19, "side": 13},
    {"batch": 5, "time": 7, "sequence": 7, "height": 19, "width": 11, "side": 17},
)
JOINT_LIMIT = 2000
KINDS = ("ordinary", "full", "left", "one", "repeated", "low", "high", "zeros", "ones", "negative", "positive", "large")
OK, REFUSED, RAISES, DIFFERS = "ok", "refused", "raises", "differs"
KEPT = "kept"
#: What a specimen may ask beside.
ASKED = ("outputs", "determinism", "history")

Sizes = Mapping[str, int]
Tensors = dict[str, torch.Tensor]


class Flat(nn.Module):
    """The model of a specimen by keyword, its tensors in a tuple."""

    def __init__(self, specimen: Specimen) -> None:
        super().__init__()
        self.model = specimen.factory()
        self.packed = lambda tensors: specimen.packed(tensors)  # a function is shared by copies

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(flatten(self.model(**self.packed(tensors))))


def flatten(output: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors of nested dicts, lists and tuples, depth first; a number becomes one, None and texts are none."""
    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, (bool, int, float)):
        yield torch.as_tensor(output)
    elif isinstance(output, getattr(torch, "SymInt", ())):  # a size that torch.export keeps open
        yield torch.scalar_tensor(output, dtype=torch.int64)
    elif output is not None and not isinstance(output, str):
        for child in output.values() if isinstance(output, dict) else output:
            yield from flatten(child)


def draw(specimen: Specimen, sizes: Sizes, kind: str, seed: int) -> Tensors:
    """Return inputs of the given sizes; every ordinary mask has a padded position wherever there is room for one."""
    generator = torch.Generator().manual_seed(seed)
    drawn = {}
    for name, spec in specimen.flat.items():
        shape = spec.shape(sizes)
        if spec.fill is not None:
            drawn[name] = spec.fill(generator, shape)
        elif spec.role == "mask":
            drawn[name] = _mask(shape, kind, generator)
        elif spec.dtype == torch.int64:
            drawn[name] = _tokens(shape, kind, int(spec.low or 0), int(spec.high or 2), generator)
        else:
            values = _floats(shape, kind, spec.low, spec.high, generator)
            drawn[name] = values.to(spec.dtype or torch.float32)
    return drawn


def _mask(shape: tuple[int, ...], kind: str, generator: torch.Generator) -> torch.Tensor:
    rows, length = shape
    real = torch.randint(1, max(length, 2), (rows, 1), generator=generator)
    if kind == "one":
        real = torch.ones_like(real)
    elif kind == "full":
        real = torch.full_like(real, length)
    mask = (torch.arange(length)[None] < real).long()
    return mask.flip(1) if kind == "left" else mask


def _tokens(shape: tuple[int, ...], kind: str, low: int, high: int, generator: torch.Generator) -> torch.Tensor:
    tokens = torch.randint(low, high, shape, generator=generator)
    if kind == "repeated":
        return torch.full_like(tokens, low + 1)
    return torch.full_like(tokens, {"low": low, "high": high - 1}[kind]) if kind in ("low", "high") else tokens


def _floats(
    shape: tuple[int, ...], kind: str, low: float | None, high: float | None, generator: torch.Generator
) -> torch.Tensor:
    if low is not None and high is not None:
        values = low + (high - low) * torch.rand(shape, generator=generator)
        return {"zeros": torch.full(shape, low), "low": torch.full(shape, low)}.get(kind, values)
    values = torch.randn(shape, generator=generator)
    changed = {
        "zeros": torch.zeros(shape),
        "ones": torch.ones(shape),
        "negative": -values.abs() - 1e-3,
        "positive": values.abs(),
        "large": 1e3 * values,
    }
    return changed.get(kind, values)


class Subject:
    """One specimen, traced at one anchor. ``noise`` and ``relative`` say how far from eager its answers may be."""

    noise: float = 4
    relative: float | None = None

    def __init__(self, specimen: Specimen, anchor: Sizes) -> None:
        self.specimen = specimen
        self.axes = InputSpec(specimen.flat).axes
        self.anchor = {name: anchor[name] for name in self.axes}
        self.pristine = Flat(specimen).eval()
        self.traced = self._trace(self._fresh())

    def _fresh(self) -> nn.Module:
        """Return a module that was never called: a copy, or one made anew where the model does not copy."""
        try:
            return copy.deepcopy(self.pristine)
        except Exception:
            return Flat(self.specimen).eval()

    def _trace(self, module: nn.Module) -> Any:
        example = tuple(self._example().values())
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(0)
            return self.export(module, example)

    def export(self, module: nn.Module, example: tuple[torch.Tensor, ...]) -> Any:
        """Make what is held against eager: a plain trace."""
        return torch.jit.trace(module, example, check_trace=False, strict=False)

    def outcome(self, sizes: Sizes, kind: str = "ordinary", seed: int = 1) -> str:
        """Run both sides on drawn inputs."""
        return self._outcome(draw(self.specimen, sizes, kind, seed))

    def held_outcome(self, sizes: Sizes) -> str:
        """Run both sides on inputs that keep what does not move; of those that move, stretched and drawn ones, the best."""
        if sizes == self.anchor:
            return self._outcome(self._example())
        outcomes = [self._outcome(inputs) for inputs in self._holding(sizes)]
        return min(outcomes, key=(OK, REFUSED, RAISES, DIFFERS).index)

    def _example(self) -> Tensors:
        return draw(self.specimen, self.anchor, "ordinary", 0)

    def _holding(self, sizes: Sizes) -> Iterator[Tensors]:
        example = self._example()
        moving = {name for name, spec in self.specimen.flat.items() if spec.shape(sizes) != spec.shape(self.anchor)}
        for index in range(-1, max(self.anchor.values())):
            yield {name: self._stretched(name, value, sizes, index) for name, value in example.items()}
        for seed in range(1, 13):
            drawn = draw(self.specimen, sizes, "ordinary", seed)
            yield {name: drawn[name] if name in moving else value for name, value in example.items()}

    def _stretched(self, name: str, value: torch.Tensor, sizes: Sizes, index: int) -> torch.Tensor:
        """Return a tensor of the example at other sizes: each position repeated, or one of them in all places."""
        for dim, (old, new) in enumerate(zip(value.shape, self.specimen.flat[name].shape(sizes))):
            if old != new:
                places = torch.arange(new) * old // new if index < 0 else torch.full((new,), min(index, old - 1))
                value = value.index_select(dim, places)
        return value

    def _outcome(self, inputs: Tensors) -> str:
        """Run both sides on clones of the same inputs, eager on a fresh copy, and compare."""
        return self._compare(self.traced, inputs)

    def _compare(self, module: Any, inputs: Tensors) -> str:
        """Hold any module's answer against that of a fresh one."""
        try:
            expected = self._run(self._fresh(), inputs)
        except Exception:
            return REFUSED
        try:
            actual = self._run(module, inputs)
        except Exception:
            return RAISES
        if len(actual) == len(expected) and all(map(_bit_equal, actual, expected)):
            return OK
        exact = self._precise(inputs)
        return OK if _close(actual, expected, exact, noise=self.noise, relative=self.relative) else DIFFERS

    def _run(self, module: Any, inputs: Tensors) -> tuple[torch.Tensor, ...]:
        torch.manual_seed(0)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            output = module(*(tensor.clone() for tensor in inputs.values()))
        return tuple(output) if isinstance(output, (tuple, list)) else (output,)

    def _precise(self, inputs: Tensors) -> tuple[torch.Tensor, ...] | None:
        wide = {name: value.double() if value.is_floating_point() else value for name, value in inputs.items()}
        try:
            return self._run(self._fresh().double(), wide)
        except Exception:
            return None

    def sweep(self, seeds: tuple[int, ...] = (1, 2)) -> dict[str, Any]:
        """Return the verdicts of all axes, of all axes at once, and of the values, with the smallest failing sizes."""
        held = self.specimen.held
        lines = {name: self._line(name, seeds) for name in self.axes}
        sound_here = all(self.outcome(self.anchor, seed=seed) == OK for seed in range(1, 13))
        grid = self._grid(seeds)
        values = {kind: verdict_of(self.outcome(self.anchor, kind, seed) for seed in range(1, 9)) for kind in KINDS}
        return {
            "anchor": self.anchor,
            "axes": {name: self._axis_record(outcomes, sound_here or held, name) for name, outcomes in lines.items()},
            "joint": verdict_of(outcome for _, outcome in grid) if grid and sound_here else None,
            "smallest": {name: self._smallest(name, grid) for name in self.axes} if sound_here else {},
            "values": worst(values.values()),
            "kinds": [kind for kind, verdict in values.items() if verdict not in ("dynamic", "static")],
            **{question: self.answers[question](self) for question in self.specimen.asks},
        }

    def _of_example(self) -> str:
        """Whether the trace answers the very inputs that it was made with as eager does."""
        return self._outcome(self._example())

    def _of_second_call(self) -> str:
        """Whether a module answers equal inputs equally when it is called again."""
        module = self._fresh()
        self._run(module, self._example())
        return self._compare(module, self._example())

    def _of_history(self) -> str:
        """``kept`` where a call at some size lets a trace made after it, or the module itself, answer some size otherwise."""
        sizes = [self.anchor, *({**self.anchor, name: size} for name in self.axes for size in self._sizes(name))]
        fresh = [self.outcome(each) for each in sizes]
        for before in sizes:
            used = self._fresh()
            try:
                self._run(used, draw(self.specimen, before, "ordinary", 3))
            except Exception:
                continue
            traced = self._trace(copy.deepcopy(used))
            if [self._compare(traced, draw(self.specimen, each, "ordinary", 1)) for each in sizes] != fresh:
                return KEPT
            for each in sizes:
                if self._compare(copy.deepcopy(used), draw(self.specimen, each, "ordinary", 1)) in (RAISES, DIFFERS):
                    return KEPT
        return "clean"

    answers: ClassVar = {"outputs": _of_example, "determinism": _of_second_call, "history": _of_history}

    def _sizes(self, name: str) -> list[int]:
        axis = self.axes[name]
        return [size for size in range(axis.min, axis.max + 1) if axis.allows(size)]

    def _line(self, name: str, seeds: tuple[int, ...]) -> dict[int, str]:
        return {size: self._worst_seed({**self.anchor, name: size}, seeds) for size in self._sizes(name)}

    def _worst_seed(self, sizes: Sizes, seeds: tuple[int, ...]) -> str:
        if self.specimen.held:
            return self.held_outcome(sizes)
        return max((self.outcome(sizes, seed=seed) for seed in seeds), key=(OK, REFUSED, RAISES, DIFFERS).index)

    def _grid(self, seeds: tuple[int, ...]) -> list[tuple[dict[str, int], str]]:
        ranges = [self._sizes(name) for name in self.axes]
        if math.prod(map(len, ranges)) > JOINT_LIMIT:
            return []
        points = (dict(zip(self.axes, sizes)) for sizes in itertools.product(*ranges))
        return [(sizes, self._worst_seed(sizes, seeds[:1])) for sizes in points]

    def _smallest(self, name: str, grid: list[tuple[dict[str, int], str]]) -> list[dict[str, int]]:
        """Return the smallest sizes with this axis off its anchor that show the worst of what this axis does."""
        moved = [(sizes, outcome) for sizes, outcome in grid if sizes[name] != self.anchor[name]]
        alone = {outcome for sizes, outcome in moved if self._only(name, sizes)}
        worst_seen = DIFFERS if DIFFERS in alone else RAISES
        return smallest_sizes([sizes for sizes, outcome in moved if outcome == worst_seen and worst_seen in alone])

    def _only(self, name: str, sizes: Sizes) -> bool:
        return all(sizes[other] == self.anchor[other] for other in self.axes if other != name)

    def _axis_record(self, outcomes: Mapping[int, str], sound_here: bool, name: str) -> dict[str, Any]:
        failing = [size for size, outcome in outcomes.items() if outcome in (RAISES, DIFFERS)]
        accepted = [size for size, outcome in outcomes.items() if outcome != REFUSED]
        verdict = "static" if accepted == [self.anchor[name]] else verdict_of(outcomes.values())
        return {"verdict": verdict if sound_here else None, "failing": len(failing), "first": failing[:3]}


def is_broken(truth: Mapping[str, Any]) -> bool:
    """Whether the sweep found anything at which a trace is wrong, or that a model keeps from call to call."""
    said = [axis["verdict"] for axis in truth["axes"].values()]
    said += [truth["joint"], truth["values"], *(truth.get(question) for question in ASKED)]
    return any(word in ("fixed", "diverges", KEPT, RAISES, DIFFERS) for word in said)


def verdict_of(outcomes: Any) -> str:
    """Return diverges if anything differs, else fixed if anything raises, else dynamic."""
    seen = set(outcomes)
    return "diverges" if DIFFERS in seen else "fixed" if RAISES in seen else "dynamic"


def worst(verdicts: Any) -> str:
    """Return the worst of some verdicts."""
    return max(verdicts, key=("dynamic", "fixed", "diverges").index)


def smallest_sizes(failing: list[dict[str, int]], limit: int = 8) -> list[dict[str, int]]:
    """Return the failing sizes that have no failing sizes below them in every axis."""

    def below(one: Sizes, other: Sizes) -> bool:
        return one != other and all(one[name] <= other[name] for name in one)

    return [sizes for sizes in failing if not any(below(other, sizes) for other in failing)][:limit]


def _bit_equal(actual: torch.Tensor, expected: torch.Tensor) -> bool:
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return False
    same = (actual == expected) | ((actual != actual) & (expected != expected))
    return bool(same.all())


def _close(
    actual: tuple[torch.Tensor, ...],
    expected: tuple[torch.Tensor, ...],
    precise: tuple[torch.Tensor, ...] | None,
    **how: float | None,
) -> bool:
    if len(actual) != len(expected):
        return False
    exact = precise if precise is not None and len(precise) == len(expected) else (None,) * len(expected)
    return all(_leaf_close(*leaves, **how) for leaves in zip(actual, expected, exact))


def _leaf_close(
    actual: torch.Tensor,
    expected: torch.Tensor,
    precise: torch.Tensor | None,
    *,
    noise: float = 4,
    relative: float | None = None,
) -> bool:
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return False
    if not expected.is_floating_point():
        return bool((actual == expected).all())
    finite = torch.isfinite(expected)
    if not torch.equal(finite, torch.isfinite(actual)):
        return False
    if not torch.equal(actual[~finite].nan_to_num(), expected[~finite].nan_to_num()):
        return False
    got, want = actual[finite].double(), expected[finite].double()
    if not want.numel():
        return True
    usual = want.abs()[want != 0].median() if (want != 0).any() else want.abs().max()
    near = want.abs() <= 1e4 * usual
    share = 4 * torch.finfo(expected.dtype).eps if relative is None else relative
    rounding = 0.0
    if precise is not None and precise.shape == expected.shape:
        rounding = float((want - precise[finite].double())[near].abs().max())
    allowed = max(noise * rounding, share * float(want[near].abs().max()))
    far_equal = bool(((got - want).abs()[~near] <= share * want.abs()[~near]).all())
    return far_equal and float((got - want)[near].abs().max()) <= allowed


def truth_of(specimen: Specimen, anchor: Sizes | None = None) -> dict[str, Any]:
    """Sweep one specimen at an anchor; by default its own, else the common one."""
    return Subject(specimen, {**ANCHOR, **(specimen.anchor if anchor is None else anchor)}).sweep()


def verdicts(truth: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what may not depend on the anchor."""
    asked = [truth[question] for question in ASKED if question in truth]
    return ({name: axis["verdict"] for name, axis in truth["axes"].items()}, truth["values"], *asked)


def main(names: list[str]) -> int:
    """Sweep, check that truths without an anchor of their own do not depend on it, and write the file."""
    stored = json.loads(TRUTH.read_text(encoding="utf-8")) if names else {}
    truths: dict[str, Any] = {specimen.name: stored.get(specimen.name) for specimen in SPECIMENS}
    unstable = []
    for specimen in SPECIMENS:
        if names and specimen.name not in names:
            continue
        truths[specimen.name] = truth = truth_of(specimen)
        for anchor in () if specimen.anchor else OTHER_ANCHORS:
            other = truth_of(specimen, anchor)
            if verdicts(other) != verdicts(truth):
                unstable.append(f"{specimen.name}: {verdicts(truth)} but {verdicts(other)} at {anchor}")
        print(specimen.name, *verdicts(truth), truth["joint"], truth["kinds"], truth["smallest"], flush=True)
    lines = (f"{json.dumps(name)}: {json.dumps(truth)}" for name, truth in truths.items())
    TRUTH.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(*unstable, sep="\n")
    return 1 if unstable else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
