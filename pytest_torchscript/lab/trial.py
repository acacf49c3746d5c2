"""One trial: the same inputs through eager and through an artifact, and what that says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from pytest_torchscript.common.devices import generators_of, let_go, rounds_to_tf32, seed_generators
from pytest_torchscript.common.jit import unoptimised
from pytest_torchscript.common.phases import COMPARE, phase, shapes_of
from pytest_torchscript.common.room import free_memory
from pytest_torchscript.compare.compare import Comparison, compare_outputs
from pytest_torchscript.compare.messages import describe
from pytest_torchscript.compare.policy import Policy
from pytest_torchscript.errors import MachineFailure, first_line, text_of
from pytest_torchscript.lab.running import running
from pytest_torchscript.models.answers import FOR_ONE, Answers, key_of
from pytest_torchscript.models.eager import Eager
from pytest_torchscript.models.state import changes, look_at
from pytest_torchscript.outputs import tensor_leaves
from pytest_torchscript.results import Tried

Tensors = Mapping[str, torch.Tensor]

AGREES, REFUSED, RAISES, DIFFERS, UNDECIDABLE = "agrees", "refused", "raises", "differs", "undecidable"
#: By so many units in the last place vectorised kernels of exp, tanh and their kin may err (SLEEF: 3.5).
_LAST_PLACES = 4
#: The machine has no room for it: nothing is known, and larger sizes are not asked.
BEYOND = "beyond"
#: What a copy in double precision takes while it is made, in copies of the weights.
_COPIES = 3


@dataclass(frozen=True)
class Trial:
    """What became of one call. ``error`` is what eager or the artifact raised, in one line; ``raised`` the artifact's own.

    ``call`` counts the artifact's calls with these inputs: above 1 the ones before were right.
    """

    status: str
    error: str = ""
    comparison: Comparison | None = None
    raised: BaseException | None = None
    call: int = 1

    @property
    def fails(self) -> bool:
        """Whether the artifact is wrong here: it raises where eager runs, or answers otherwise."""
        return self.status in (RAISES, DIFFERS)

    @property
    def lines(self) -> list[str]:
        """The evidence: what the comparison found, or what was raised."""
        found = describe(self.comparison) if self.comparison is not None else self.error.splitlines()
        return [*found, *self.late]

    @property
    def late(self) -> list[str]:
        """What is to be said where the artifact was right at first; nothing where it was not."""
        said = f"call {self.call} with these inputs; before it was right: after the first the executor runs another program"
        return [said] if self.call > 1 else []


@dataclass
class TrialLog:
    """What was tried, in order and once each, as the record keeps it."""

    _noted: dict[tuple[tuple[str, int], ...], Tried] = field(default_factory=dict)

    def note(self, sizes: Mapping[str, int], trial: Trial) -> Trial:
        """Keep what became of these sizes, and return it."""
        difference = trial.comparison.max_abs_difference if trial.comparison is not None else None
        self._noted.setdefault(tuple(sorted(sizes.items())), Tried(dict(sizes), trial.status, difference))
        return trial

    @property
    def entries(self) -> list[Tried]:
        """The trials in their order."""
        return list(self._noted.values())


@dataclass
class Judge:
    """Compares artifacts with one eager model, by one policy. Holds its double-precision copy while it is needed, and what that
    answered.

    ``device`` is where artifacts take their inputs; None means where eager does. Each is called so many ``calls`` in a row.
    """

    eager: Eager
    policy: Policy = field(default_factory=Policy)
    shapes_only: bool = False
    device: torch.device | None = None
    calls: int = 1
    _precise: Any = None
    _measured: Answers = field(default_factory=lambda: Answers(FOR_ONE))
    _way: tuple[torch.device, bool] | None = None

    def trial(self, artifact: Callable[..., Any], inputs: Tensors, *, closeness: str = "traced") -> Trial:
        """Run both sides on clones, from the same seed."""
        with phase(COMPARE, shapes_of(inputs)) as said:
            try:
                expected = self.eager(inputs)
            except Exception as error:
                made = Trial(REFUSED, first_line(error))
            else:
                made = self._against(expected, artifact, inputs, closeness)
            said.append(made.status)
        return made

    def against(
        self,
        expected: Any,
        artifact: Callable[..., Any],
        inputs: Tensors,
        *,
        closeness: str = "traced",
        measured: bool = True,
    ) -> Trial:
        """Run the artifact alone, against an answer given before: see `compare`."""
        with phase(COMPARE, shapes_of(inputs)) as said:
            made = self._against(expected, artifact, inputs, closeness, measured=measured)
            said.append(made.status)
        return made

    def _against(
        self, expected: Any, artifact: Callable[..., Any], inputs: Tensors, closeness: str, *, measured: bool = True
    ) -> Trial:
        trial = Trial(AGREES)
        for call in range(1, self.calls + 1):
            try:
                actual = self.answer(artifact, inputs)
            except Exception as error:
                return Trial(RAISES, artifact_error(error), raised=error.with_traceback(None), call=call)
            trial = self.compare(actual, expected, inputs, closeness=closeness, measured=measured)
            if trial.status != AGREES:
                return replace(trial, call=call)
        return trial

    def answer(self, artifact: Callable[..., Any], inputs: Tensors) -> Any:
        """Return what an artifact answers to clones of the inputs, from the seed; what it raises passes through."""
        self.eager.counted.begin("the export", inputs)
        with running(inputs):
            device = self.eager.device if self.device is None else self.device
            tensors = [inputs[name] for name in self.eager.names]
            try:
                return run_artifact(artifact, tensors, seed=self.eager.seed, device=device)
            except Exception:
                if not self.shapes_only:
                    raise
                # It may read a value that it does not have. Not at once: torch's optimiser stumbles over who follows it.
                with unoptimised():
                    return run_artifact(artifact, tensors, seed=self.eager.seed, device=device, using=self.eager)

    def compare(
        self, actual: Any, expected: Any, inputs: Tensors, *, closeness: str = "traced", measured: bool = True
    ) -> Trial:
        """Compare two answers to the same inputs.

        ``measured`` False leaves eager's double-precision answer out: it is no measure for answers that are not eager's.
        """
        if self.shapes_only:
            return _compare_shapes(actual, expected)
        comparison = compare_outputs(
            actual,
            expected,
            closeness=self.policy.closeness(closeness),
            precise=lambda: self.precise(inputs) if measured else None,
            nudged=(lambda: self.nudged(inputs)) if measured and self.policy.reordered else None,
            rtol=self.policy.rtol,
            atol=self.policy.atol,
            tf32=rounds_to_tf32(self.eager.device),
        )
        status = {"equal": AGREES, "different": DIFFERS, "undecidable": UNDECIDABLE}[comparison.status]
        return Trial(status, comparison=comparison)

    def precise(self, inputs: Tensors) -> Any:
        """Return what the same model answers in double precision, or None where it cannot.

        Nothing is wider than double precision: a model in that is measured by its answer in float32, whose rounding is as many
        times larger as its unit in the last place (compare/floats.py). Where its device has no room for the copy, or no such
        dtype, the CPU makes it. Many weights are not copied: see `layer_by_layer`.
        """
        key = key_of(inputs, self.eager.seed)
        answer = self._measured.find(key)
        if answer is None:
            answer = self._precise_anew(inputs)
            self._measured.keep(key, answer)
        return answer

    def _precise_anew(self, inputs: Tensors) -> Any:
        measure = torch.float32 if self.eager.dtype is torch.float64 else torch.float64
        turned = {name: tensor.to(measure) if tensor.is_floating_point() else tensor for name, tensor in inputs.items()}
        ways = self._ways() if self._way is None else [self._way]
        for way in ways:
            place, whole = way
            try:
                if self._precise is None:
                    self._precise = self.eager.in_dtype(measure, place, whole=whole)
                before = look_at(self._precise)
                answer = self.eager.run(self._precise, turned, at=place)
                if changes(before, look_at(self._precise)):
                    self._precise = None  # as eager's own copy: what it kept is no measure of the next call
            except (Exception, MachineFailure) as error:  # twice the weights may be too much where the rest has room
                if way == ways[-1] and isinstance(error, Exception):
                    self._way = way  # it does not compute in that: no need to copy it again
                else:
                    self._precise = None
                    let_go(place)
            else:
                self._way = way
                return answer
        return None

    def nudged(self, inputs: Tensors) -> Any:
        """Return what eager answers where every float is moved up or down by a few units in its last place: other kernels may
        err by as much, though eager's own happen to be right. None where no input is a float."""
        generator = torch.Generator().manual_seed(self.eager.seed)
        moved = {}
        for name, tensor in inputs.items():
            if tensor.is_floating_point():
                signs = torch.randint(0, 2, tensor.shape, generator=generator).mul_(2).sub_(1).to(tensor)
                moved[name] = tensor * (1 + _LAST_PLACES * torch.finfo(tensor.dtype).eps * signs)
        return self.eager({**inputs, **moved}) if moved else None

    def _ways(self) -> list[tuple[torch.device, bool]]:
        """Return where a double-precision copy may be made, and whether all of it at once: of many weights only layer by layer
        where that goes, else as a whole where there is room for it."""
        places = list(dict.fromkeys([self.eager.device, torch.device("cpu")]))
        if not self.eager.many_weights:
            return [(place, True) for place in places]
        free = free_memory()
        fits = free is None or _COPIES * self.eager.bytes_of_weights < free
        return [(self.eager.device, False), *((place, True) for place in places if fits or place.type != "cpu")]

    def free(self) -> None:
        """Drop the double-precision copy: it holds twice the weights."""
        self._precise = None


def run_artifact(
    artifact: Callable[..., Any],
    tensors: list[torch.Tensor],
    *,
    seed: int,
    device: torch.device,
    using: Eager | None = None,
) -> Any:
    """Call an artifact on clones where it takes them, from a seed, without gradients. Without weights it may be told, by
    ``using`` what eager knows, what the tensors would hold."""
    with torch.no_grad(), torch.random.fork_rng(devices=generators_of(device)):
        seed_generators(seed)
        taken = [tensor.clone() if tensor.is_meta else tensor.to(device, copy=True) for tensor in tensors]
        with using.knowing(taken) if using is not None else nullcontext():
            return artifact(*taken)


def artifact_error(error: BaseException) -> str:
    """Name what an artifact raised: TorchScript puts its own message last, behind the traceback of its interpreter."""
    lines = [line.strip() for line in text_of(error).splitlines() if line.strip()]
    named = [line for line in lines if line.startswith(("RuntimeError:", "IndexError:", "ValueError:"))]
    return named[-1] if named else first_line(error)


def _compare_shapes(actual: Any, expected: Any) -> Trial:
    left = [tuple(leaf.shape) for _, leaf in tensor_leaves(actual)]
    right = [tuple(leaf.shape) for _, leaf in tensor_leaves(expected)]
    if left == right:
        return Trial(AGREES)
    return Trial(DIFFERS, error=f"shapes {left}, eager gives {right}")
