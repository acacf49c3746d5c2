"""The bench: eager and export run on the same inputs and compared, and what was tried before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice

import torch

from pytest_torchscript.backends.base import Spent
from pytest_torchscript.common.devices import let_go
from pytest_torchscript.compare.policy import Policy
from pytest_torchscript.compare.three_way import SAMPLES
from pytest_torchscript.errors import MachineFailure
from pytest_torchscript.inputs.draw import is_mask, is_whole_number
from pytest_torchscript.inputs.real import real_inputs
from pytest_torchscript.inputs.values import first_of_each, variations
from pytest_torchscript.lab.export import Export
from pytest_torchscript.lab.subject import EXAMPLE, FRESH, Sizes, Subject, Tensors
from pytest_torchscript.lab.three_way_judge import ThreeWayJudge
from pytest_torchscript.lab.trial import AGREES, RAISES, UNDECIDABLE, Judge, Trial

#: Which drawings of the inputs stand for all where values are in question: at a size, and as many at the anchor.
_DRAWINGS = (FRESH, FRESH + 1, FRESH + 2)
#: On a device the executor fuses after the first call: so many are compared there at every size.
EXECUTOR_CALLS = 3
#: So many masks are tried at a size in place of the drawn one.
_MASKS = 3


@dataclass
class Bench:
    """Runs both sides and keeps the ledger of trials by size: the same sizes are not paid twice.

    ``unread`` tells whether nothing that the inputs hold has reached Python: then few other values show all there is.
    """

    subject: Subject
    export: Export
    unread: Callable[[], bool] = lambda: False
    ledger: dict[tuple[tuple[str, int], ...], Trial] = field(default_factory=dict)
    beyond: dict[tuple[tuple[str, int], ...], MachineFailure] = field(default_factory=dict)
    _met: dict[tuple[tuple[str, int], ...], Trial] = field(default_factory=dict)
    _held: dict[tuple[frozenset[str], int], bool] = field(default_factory=dict)

    @cached_property
    def judge(self) -> Judge:
        """Compares with eager, by the policy that the backend's arithmetic and the user's settings choose."""
        settings = self.subject.settings
        arithmetic, dtype = self.export.backend.traits.arithmetic, self.subject.eager.dtype
        policy = Policy(arithmetic, settings.rtol, settings.atol, dtype)
        if policy.three_way and not self.subject.meta:
            return ThreeWayJudge(self.subject.eager, policy, device=self.export.device, ordinary=self.ordinary)
        calls = 1 if self.export.device.type in ("cpu", "meta") else EXECUTOR_CALLS
        return Judge(self.subject.eager, policy, shapes_only=self.subject.meta, device=self.export.device, calls=calls)

    def ordinary(self) -> Iterator[Tensors]:
        """Yield the ten fresh inputs at the anchor that a device is asked with."""
        return (self.subject.draw(self.subject.sizes, FRESH + index) for index in range(SAMPLES))

    def at(self, sizes: Sizes) -> Trial:
        """Run both sides at these sizes, once: at the anchor on the example, elsewhere on inputs that only the sizes moved.

        What is returned tells of the sizes: a failure that values alone explain is not one of them. What the machine could
        not do is remembered as well, and not tried again.
        """
        key = tuple(sorted(sizes.items()))
        if key in self.beyond:
            raise self.beyond[key]
        if key not in self.ledger:
            try:
                trial = self.met(sizes)
                if key in self._met:
                    self.ledger[key] = self._of_the_sizes(sizes, trial)
            except MachineFailure as failed:
                if not isinstance(failed.error, Spent):  # another check may ask again
                    self.beyond[key] = failed
                if failed.no_room:
                    failed.__context__ = None  # its frames hold what there was no room for
                    failed.with_traceback(None)
                    let_go(self.subject.eager.device)
                raise
        return self.ledger[key]

    def met(self, sizes: Sizes) -> Trial:
        """Run both sides at these sizes, once, whatever is to blame: see `at`."""
        key = tuple(sorted(sizes.items()))
        trial = self._met.get(key) or self.ledger.get(key)
        if trial is None:
            anchored = dict(sizes) == self.subject.sizes
            trial = self.example() if anchored else self.trial(self.subject.moved(sizes))
            (self._met if trial.fails and not anchored else self.ledger)[key] = trial
        return trial

    def afforded(self, sizes: Sizes) -> Trial | None:
        """Return the trial at these sizes; None where what is behind the backend was asked often enough."""
        try:
            return self.at(sizes)
        except MachineFailure as failed:
            if isinstance(failed.error, Spent):
                return None
            raise

    def moved_beyond(self) -> set[str]:
        """Return the axes that the machine could not bear at some size when they moved alone."""
        anchor = self.subject.sizes
        moved = ([name for name, size in key if size != anchor[name]] for key in self.beyond)
        return {names[0] for names in moved if len(names) == 1}

    def trial(self, inputs: Tensors) -> Trial:
        """Run both sides on these inputs."""
        return self.judge.trial(self.export.artifact, inputs)

    def example(self) -> Trial:
        """Run the artifact on what it was made with; eager's answer to that is known."""
        return self.judge.against(self.subject.answer, self.export.artifact, self.subject.inputs)

    def _of_the_sizes(self, sizes: Sizes, failed: Trial) -> Trial:
        """Return what is left of a failure when the values are accounted for: all of it, where the budget ends before that."""
        try:
            return self._less_the_values(sizes, failed)
        except MachineFailure as ended:
            if isinstance(ended.error, Spent):
                return failed
            raise

    def _less_the_values(self, sizes: Sizes, failed: Trial) -> Trial:
        """Return what is left of a failure when the values that some input has at these sizes are accounted for.

        Where no other values fail at the anchor, the sizes are to blame. Else other values are tried at these sizes: where
        some are right, the sizes are not to blame. Where none is, the sizes are, if as many drawn alike are right at the
        anchor, or if the example itself, repeated as a whole, is wrong. What remains cannot be told apart.
        """
        if self.subject.meta or self.wrong_values is None:
            return failed
        right = [nth for nth in _DRAWINGS if self._right_when_drawn(sizes, nth)]
        for inputs in self._other_values(sizes, drawn=bool(right)):
            trial = self.trial(inputs)
            if trial.status == AGREES:
                return trial
        only_raises = failed.status == RAISES and self.wrong_values[2].status != RAISES
        if only_raises or 2 * len(right) > len(_DRAWINGS) or self.subject.keeps_its_values(sizes):
            return failed
        return Trial(UNDECIDABLE, "other values fail at the traced sizes too (see test_values), and none is right here")

    def _other_values(self, sizes: Sizes, *, drawn: bool) -> Iterator[Tensors]:
        """Yield other inputs of these sizes, the likeliest to be right first: the example stretched to them, more drawings
        where such may be right, and the example under each other mask.

        No zeros or constants: they agree wherever a size is frozen into a factor.
        """
        subject, spec = self.subject, self.subject.spec
        early, late = subject.stretched(sizes), subject.stretched(sizes, late=True)
        yield early
        if any(not torch.equal(early[name], late[name]) for name in spec):
            yield late
        yield from (subject.moved(sizes, nth) for nth in _DRAWINGS[1:] if drawn)
        example = subject.moved(sizes, EXAMPLE)
        plain = [name for name in spec if not is_mask(spec[name])]
        if len(plain) < len(spec):
            masks = (
                inputs
                for _, inputs in variations(spec, sizes, subject.settings.seed)
                if all(torch.equal(inputs[name], example[name]) for name in plain)
            )
            yield from islice(masks, _MASKS)

    def _right_when_drawn(self, sizes: Sizes, nth: int) -> bool:
        """Whether the artifact is right at the anchor for the nth drawing of what these sizes move, the rest held."""
        moved, example = self.subject.moved(sizes, nth), self.subject.inputs
        held = frozenset(name for name, tensor in example.items() if moved[name] is tensor)
        if (held, nth) not in self._held:
            drawn = self.subject.draw(self.subject.sizes, nth)
            trial = self.trial({name: example[name] if name in held else tensor for name, tensor in drawn.items()})
            self._held[held, nth] = trial.status == AGREES
        return self._held[held, nth]

    @cached_property
    def values_tried(self) -> list[tuple[str, Tensors, Trial]]:
        """Other values at the anchor with their names, fresh ones first, up to the first that fails."""
        subject = self.subject
        sizes, seed = subject.sizes, subject.settings.seed
        fresh = ((f"fresh, seed {seed + nth}", subject.draw(sizes, nth)) for nth in self._fresh())
        directory = subject.loaded.blueprint.directory
        real = real_inputs(directory, subject.spec, sizes) if directory is not None else ()
        varied = variations(subject.spec, sizes, seed)
        varied = first_of_each(varied) if self.unread() else varied
        tried: list[tuple[str, Tensors, Trial]] = []
        for name, inputs in chain(fresh, varied, real):
            tried.append((name, inputs, self.trial(inputs)))
            if tried[-1][2].fails:
                break
        return tried

    def _fresh(self) -> Sequence[int]:
        """Return which drawings are tried first: more of them where one may be right by luck, as a count read into Python."""
        counts = any(spec.fill is not None or is_whole_number(spec) for spec in self.subject.spec.values())
        return _DRAWINGS if counts else _DRAWINGS[:1]

    @property
    def wrong_values(self) -> tuple[str, Mapping[str, torch.Tensor], Trial] | None:
        """The first values at the anchor's sizes that the artifact gets wrong."""
        return self.values_tried[-1] if self.values_tried and self.values_tried[-1][2].fails else None

    @cached_property
    def changes_itself(self) -> bool:
        """Whether an export that is wrong at the anchor answers the same inputs otherwise when it is asked again: what is
        done to it then says nothing."""
        if not self.at(self.subject.sizes).fails:
            return False
        try:
            first, again = (self.judge.answer(self.export.artifact, self.subject.inputs) for _ in range(2))
        except Exception:
            return False
        return self.judge.compare(again, first, self.subject.inputs, measured=False).fails

    @property
    def of_another_model(self) -> bool:
        """Whether what was made elsewhere is wrong at the anchor already: then no line of this model is to blame for it."""
        return bool(self.export.backend.if_another) and self.at(self.subject.sizes).fails
