"""What several ways of checking a trace find in the corpus, in one run: ``python -m benchmarks.finding_power``.

Every way sees the same models at the same anchors and is counted the same: wall seconds, and forward passes of the
eager model and of its trace together. The table is printed, and written to docs/finding-power.md.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis
import torch
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from pytest_torchscript import InputSpec, check
from tests.corpus.base import Specimen
from tests.corpus.sweep import ANCHOR, TRUTH, Flat, flatten
from tests.corpus.sweep import is_broken as truly_broken
from tests.corpus.table import SPECIMENS

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "finding-power.md"
COMMAND = "python -m benchmarks.finding_power"
#: The checks that ask what the other three ways ask: does the trace answer as eager does?
CHECKS = ("trace", "determinism", "outputs", "axis", "joint", "values")
#: What a module was called with before it is traced is asked by a check of its own.
WITH_HISTORY = (*CHECKS, "history")
#: The models that the corpus had when release 0.1.0 was measured: later counts are held against those of then.
EARLIER = frozenset(Path(__file__).with_name("corpus_of_0_1_0.txt").read_text(encoding="utf-8").split())
#: The size a careful user would try next: every axis moved once.
OTHER = {"batch": 3, "time": 13, "sequence": 13, "height": 13, "width": 17, "side": 13}
Way = Callable[[Specimen], "Answer"]


@dataclass(frozen=True)
class Answer:
    """What one way said of one model: whether it complained, and which lines it named."""

    complained: bool
    places: frozenset[tuple[str, int]] = frozenset()


@dataclass
class Score:
    """One row of the table."""

    name: str
    found: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    named: int = 0
    seconds: float = 0.0
    passes_of: dict[str, int] = field(default_factory=dict)

    @property
    def passes(self) -> int:
        """All forward passes."""
        return sum(self.passes_of.values())

    def earlier(self) -> str:
        """Return what it found among the models of 0.1.0, and in how many passes."""
        found, missed = (len(EARLIER.intersection(names)) for names in (self.found, self.missed))
        passes = sum(count for name, count in self.passes_of.items() if name in EARLIER)
        return f"{found} of {found + missed} in {passes:,} passes"


class Passes:
    """Counts calls of a specimen, eager or traced; modules inside of it are no passes."""

    def __init__(self) -> None:
        self.count = 0
        self.model: type[nn.Module] = nn.Module

    def __call__(self, module: nn.Module, _inputs: Any) -> None:
        self.count += type(module) is self.model or isinstance(module, torch.jit.ScriptModule)


def main(arguments: list[str] | None = None) -> int:
    """Run all ways, print the table and write the page; 1 where ours is not worth its name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=PAGE, help="where the page is written")
    parser.add_argument("-k", dest="part", default="", help="only specimens whose name contains this")
    options = parser.parse_args(arguments)
    chosen = [specimen for specimen in SPECIMENS if options.part in specimen.name]
    torch.set_num_threads(1)
    scores = [measure(name, way, chosen) for name, way in WAYS.items()]
    page = render(scores, chosen)
    print(page)
    options.output.write_text(page, encoding="utf-8")
    plain, _, whole = scores[-3:]
    return 0 if is_worth_it(plain, whole) else 1


def is_worth_it(plain: Score, best: Score) -> bool:
    """Whether ours finds all that the hypothesis test finds, in half its forward passes, and cries wolf at nothing."""
    return set(plain.found) <= set(best.found) and 2 * best.passes <= plain.passes and not best.alarms


def measure(name: str, way: Way, specimens: list[Specimen]) -> Score:
    """Return the row of one way."""
    score, passes = Score(name), Passes()
    hook = register_module_forward_pre_hook(passes)
    try:
        for specimen in specimens:
            passes.model, passes.count = specimen.model, 0
            start = time.perf_counter()
            answer = way(specimen)
            score.seconds += time.perf_counter() - start
            score.passes_of[specimen.name] = passes.count
            file_answer(score, specimen, answer)
    finally:
        hook.remove()
    print(f"{name}: {score.seconds:.0f} s", file=sys.stderr)
    return score


def file_answer(score: Score, specimen: Specimen, answer: Answer) -> None:
    """Add one answer to a row, by the truth that the sweep found."""
    if not is_broken(specimen):
        score.alarms += [specimen.name] if answer.complained else []
    elif answer.complained:
        score.found.append(specimen.name)
        score.named += bool(answer.places & specimen.culprits())
    else:
        score.missed.append(specimen.name)


def is_broken(specimen: Specimen) -> bool:
    """Whether the sweep found an axis, a joint size or a value at which the trace is wrong, or something kept."""
    return truly_broken(TRUTHS[specimen.name])


TRUTHS = json.loads(TRUTH.read_text(encoding="utf-8"))


def sizes_of(specimen: Specimen, wanted: dict[str, int]) -> dict[str, int]:
    """Return sizes near the wanted ones that the axes allow, with the specimen's own anchor as a step up from it."""
    sizes = {}
    for name, axis in InputSpec(specimen.flat).axes.items():
        size = specimen.anchor.get(name, wanted[name])
        if wanted is OTHER and name in specimen.anchor:
            size += max(axis.multiple_of, 1)
        sizes[name] = min(max(size, axis.first), axis.last)
    return sizes


def draw(specimen: Specimen, sizes: dict[str, int], seed: int) -> tuple[torch.Tensor, ...]:
    """Return random inputs as a test of one's own would make them: masks of rows padded on the right, or full."""
    torch.manual_seed(seed)
    inputs = []
    for spec in specimen.flat.values():
        shape = spec.shape(sizes)
        if spec.fill is not None:
            inputs.append(spec.fill(torch.Generator().manual_seed(seed), shape))
        elif spec.role == "mask":
            inputs.append((torch.arange(shape[1])[None] < torch.randint(1, shape[1] + 1, (shape[0], 1))).long())
        elif spec.dtype == torch.int64:
            inputs.append(torch.randint(int(spec.low or 0), int(spec.high or 2), shape))
        else:
            values = torch.rand(shape) if spec.low is not None else torch.randn(shape)
            inputs.append(values.to(spec.dtype or torch.float32))
    return tuple(inputs)


def flat(specimen: Specimen) -> nn.Module:
    """Return the model with its tensors in a tuple: without that torch.jit.trace refuses None and nested dicts."""
    return Flat(specimen).eval()


def trace(module: nn.Module, specimen: Specimen, **options: Any) -> torch.jit.ScriptModule:
    """Trace at the anchor, by position, as the documentation of torch.jit.trace shows it."""
    example = draw(specimen, sizes_of(specimen, ANCHOR), 0)
    with torch.no_grad():
        traced: torch.jit.ScriptModule = torch.jit.trace(module, example, strict=False, **options)
    return traced


def disagree(module: nn.Module, traced: nn.Module, inputs: tuple[torch.Tensor, ...]) -> bool | None:
    """Compare both sides with torch's default tolerances; None where eager refuses the inputs."""
    try:
        expected = run(module, inputs)
    except Exception:
        return None
    try:
        torch.testing.assert_close(run(traced, inputs), expected, equal_nan=True)
    except Exception:
        return True
    return False


def run(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
    torch.manual_seed(0)
    with torch.no_grad():
        return list(flatten(module(*(tensor.clone() for tensor in inputs))))


def torch_check_inputs(specimen: Specimen) -> Answer:
    """PyTorch's own checker, given one other size: an exception or a TracerWarning of a mismatch is a complaint."""
    module, other = flat(specimen), draw(specimen, sizes_of(specimen, OTHER), 1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            trace(module, specimen, check_trace=True, check_inputs=[other])
        except Exception as error:
            return Answer(True, places_in(str(error)))
    said = [str(warning.message) for warning in caught if "does not match" in str(warning.message)]
    return Answer(bool(said), places_in("\n".join(said)))


def one_other_size(specimen: Specimen) -> Answer:
    """Trace once, compare at one other size with torch.testing.assert_close."""
    with quiet():
        module = flat(specimen)
        traced = trace(module, specimen, check_trace=False)
        return Answer(bool(disagree(module, traced, draw(specimen, sizes_of(specimen, OTHER), 1))))


def plain_hypothesis(specimen: Specimen, examples: int = 100) -> Answer:
    """A property test of a few lines: sizes and a seed are drawn, torch.testing.assert_close compares."""
    axes = InputSpec(specimen.flat).axes
    steps_of = {
        name: (max(axis.first // axis.multiple_of, 1), axis.max // axis.multiple_of) for name, axis in axes.items()
    }
    ranges = {name: st.integers(*ends) for name, ends in steps_of.items()}
    module = flat(specimen)

    @hypothesis.settings(
        max_examples=examples,
        phases=(Phase.generate, Phase.shrink),  # without the slow one that explains
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(st.fixed_dictionaries(ranges), st.integers(0, 1000))
    def property_test(steps: dict[str, int], seed: int) -> None:
        sizes = {name: size * axes[name].multiple_of for name, size in steps.items()}
        outcome = disagree(module, traced, draw(specimen, sizes, seed))
        hypothesis.assume(outcome is not None)
        assert not outcome

    with quiet():
        traced = trace(module, specimen, check_trace=False)
        try:
            property_test()
        except AssertionError:
            return Answer(True)
        except hypothesis.errors.Unsatisfied:
            return Answer(False)
    return Answer(False)


def ours(specimen: Specimen, checks: tuple[str, ...] = CHECKS) -> Answer:
    """The engine of this project."""
    module, anchor = specimen.factory(), specimen.anchor
    result = check(module, inputs=specimen.inputs, anchor=anchor, name=specimen.name, checks=checks)
    export = result.exports[0]
    causes = [cause for axis in (*export.axes, export.values) for cause in axis.causes[:5]]
    named = {(str(Path(cause.file).resolve()), cause.line) for cause in causes}
    said = "\n".join(found.message for found in result.failures)
    return Answer(bool(result.failures), frozenset(named) | places_in(said))


WAYS: dict[str, Way] = {
    "`torch.jit.trace(check_inputs=…)`, one other size": torch_check_inputs,
    "comparison at one other size": one_other_size,
    "plain hypothesis test, 100 examples": plain_hypothesis,
    "pytest-torchscript": ours,
    "pytest-torchscript, with `history`": partial(ours, checks=WITH_HISTORY),
}


def places_in(text: str) -> frozenset[tuple[str, int]]:
    """Return the places that a message names, as ``file.py:12`` or ``file.py(12)``."""
    found = re.findall(r"(\S+\.py)(?::|\()(\d+)", text)
    return frozenset((str(Path(file).resolve()), int(line)) for file, line in found)


@contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def render(scores: list[Score], specimens: list[Specimen]) -> str:
    """Return the page."""
    broken = [specimen for specimen in specimens if is_broken(specimen)]
    rows = "\n".join(
        f"| {score.name} | {len(score.found)} | {len(score.missed)} | {len(score.alarms)} | {score.named} "
        f"| {score.seconds:.1f} | {score.passes:,} |"
        for score in scores
    )
    earlier = "\n".join(f"- {score.name}: {score.earlier()}" for score in scores)
    missed = "\n".join(f"- {score.name}: {', '.join(score.missed) or 'nothing'}" for score in scores)
    alarms = "\n".join(f"- {score.name}: {', '.join(score.alarms) or 'none'}" for score in scores)
    return f"""# Finding power

{len(specimens)} toy models from `tests/corpus`: {len(broken)} broken, {len(specimens) - len(broken)} sound.
Which is which was found by running every size (`python -m tests.corpus.sweep`), not by opinion. One run of

    {COMMAND}

with torch {torch.__version__.split("+")[0]} on one thread made this page.

| way | found | missed | false alarms | line named | seconds | forward passes |
|---|---|---|---|---|---|---|
{rows}

- *found*: broken models it complains about. *false alarms*: sound models it complains about.
- *line named*: found models for which its message names a line that reads the size or takes the branch, or uses it.
- *forward passes*: calls of the eager model and of its trace, counted by one hook; tracing calls the model, too.
- The first three get the outputs flattened, because `torch.jit.trace` refuses None and nested dicts.
- The hypothesis test runs without the phase that explains a failure, which would cost it more passes.
- Ours runs its checks {", ".join(CHECKS)}, and in the last row `history`: the others ask different questions.

Among the {len(EARLIER)} models that the corpus had in release 0.1.0 (ours found 74 of 74 then, in 9,879 passes):

{earlier}

Missed:

{missed}

False alarms:

{alarms}
"""


if __name__ == "__main__":
    sys.exit(main())
