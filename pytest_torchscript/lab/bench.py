"""The bench: eager and export run on the same inputs and compared, and what was tried before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

import torch

from pytest_torchscript.compare.policy import Policy
from pytest_torchscript.compare.three_way import SAMPLES
from pytest_torchscript.inputs.draw import is_mask
from pytest_torchscript.inputs.real import real_inputs
from pytest_torchscript.inputs.values import variations
from pytest_torchscript.lab.export import Export
from pytest_torchscript.lab.subject import FRESH, Sizes, Subject, Tensors
from pytest_torchscript.lab.three_way_judge import ThreeWayJudge
from pytest_torchscript.lab.trial import AGREES, Judge, Trial


@dataclass
class Bench:
    """Runs both sides and keeps the ledger of trials by size: the same sizes are not paid twice."""

    subject: Subject
    export: Export
    ledger: dict[tuple[tuple[str, int], ...], Trial] = field(default_factory=dict)

    @cached_property
    def judge(self) -> Judge:
        """Compares with eager, by the policy that the backend's arithmetic and the user's settings choose."""
        settings = self.subject.settings
        policy = Policy(self.export.backend.traits.arithmetic, settings.rtol, settings.atol)
        if policy.three_way and not self.subject.meta:
            return ThreeWayJudge(self.subject.eager, policy, ordinary=self.ordinary)
        return Judge(self.subject.eager, policy, shapes_only=self.subject.meta)

    def ordinary(self) -> Iterator[Tensors]:
        """Yield the ten fresh inputs at the anchor that a device is asked with."""
        return (self.subject.draw(self.subject.sizes, FRESH + index) for index in range(SAMPLES))

    def at(self, sizes: Sizes) -> Trial:
        """Run both sides on fresh inputs of these sizes, once."""
        key = tuple(sorted(sizes.items()))
        if key not in self.ledger:
            trial = self.trial(self.subject.draw(sizes, FRESH))
            moved = sizes != self.subject.sizes
            self.ledger[key] = self._by_other_values(sizes, trial) if trial.fails and moved else trial
        return self.ledger[key]

    def trial(self, inputs: Tensors) -> Trial:
        """Run both sides on these inputs."""
        return self.judge.trial(self.export.artifact, inputs)

    def _by_other_values(self, sizes: Sizes, failed: Trial) -> Trial:
        """Return a trial that agrees, where values are to blame: some fail at the anchor too, and others agree here.

        At batch 1 every mask may be full: what a full mask breaks at any size is no defect of the batch axis. Only fresh
        draws and other masks count: zeros agree wherever a size is frozen into a factor.
        """
        if self.subject.meta or self.wrong_values is None:
            return failed
        trials = (self.trial(inputs) for inputs in self._other_masks(sizes))
        return next((trial for trial in trials if trial.status == AGREES), failed)

    def _other_masks(self, sizes: Sizes) -> Iterator[Tensors]:
        """Yield other ordinary inputs of the same sizes: two fresh draws, and the example under each other mask."""
        subject, spec = self.subject, self.subject.spec
        yield from (subject.draw(sizes, nth) for nth in (2, 3))
        example = subject.draw(sizes)
        plain = [name for name in spec if not is_mask(spec[name])]
        for _, inputs in variations(spec, sizes, subject.settings.seed):
            if len(plain) < len(spec) and all(torch.equal(inputs[name], example[name]) for name in plain):
                yield inputs

    @cached_property
    def values_tried(self) -> list[tuple[str, Tensors, Trial]]:
        """Other values at the anchor with their names, fresh ones first, up to the first that fails."""
        subject = self.subject
        sizes, seed = subject.sizes, subject.settings.seed
        tried: list[tuple[str, Tensors, Trial]]
        tried = [(f"fresh, seed {seed + FRESH}", subject.draw(sizes, FRESH), self.at(sizes))]
        directory = subject.loaded.blueprint.directory
        real = real_inputs(directory, subject.spec, sizes) if directory is not None else ()
        for name, inputs in chain(variations(subject.spec, sizes, seed), real):
            if tried[-1][2].fails:
                break
            tried.append((name, inputs, self.trial(inputs)))
        return tried

    @property
    def wrong_values(self) -> tuple[str, Mapping[str, torch.Tensor], Trial] | None:
        """The first values at the anchor's sizes that the artifact gets wrong."""
        return self.values_tried[-1] if self.values_tried[-1][2].fails else None

    @property
    def of_another_model(self) -> bool:
        """Whether a file made elsewhere is wrong at the anchor already: then no line of this model is to blame for it."""
        return self.subject.settings.artifact is not None and self.at(self.subject.sizes).fails
