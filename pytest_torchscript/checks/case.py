"""A case: one model on one backend under check, with everything its checks share.

Building one is cheap; the model is loaded, traced and moved only when a check asks, and each result is kept, so that
fifteen tests of one model load and trace it once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any

import torch

from pytest_torchscript.backends.base import Artifact, Backend, ExportRequest
from pytest_torchscript.backends.neuron_base import NeuronBackendBase
from pytest_torchscript.backends.neuron_plan import RUN
from pytest_torchscript.backends.torchscript import TorchScriptArtifact, TorchScriptBackend
from pytest_torchscript.checks.device_judge import DeviceJudge
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.judge import AGREES, Judge, Trial
from pytest_torchscript.checks.sizes import choose_anchor
from pytest_torchscript.compare.three_way import SAMPLES
from pytest_torchscript.errors import first_line
from pytest_torchscript.inputs.caches import pack_for
from pytest_torchscript.inputs.draw import is_mask
from pytest_torchscript.inputs.real import real_inputs
from pytest_torchscript.inputs.values import make_inputs, variations
from pytest_torchscript.models.calling import Positional, takes_keywords
from pytest_torchscript.models.eager import Eager
from pytest_torchscript.models.resolve import LoadedModel
from pytest_torchscript.results import ModelResult
from pytest_torchscript.settings import Settings
from pytest_torchscript.spec import InputSpec, dim_name
from pytest_torchscript.tracing.trace import Trace, trace_module

Sizes = Mapping[str, int]


@dataclass
class Case:
    """One model on one backend. ``prefix`` begins every message: the node id of the model, or the name of a test."""

    loaded: LoadedModel
    spec: InputSpec
    settings: Settings
    backend: Backend
    prefix: str
    numbers: tuple[int, ...] = ()
    windows: tuple[int, ...] = ()
    constants: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    again: Callable[[str], str] | None = None
    trials: dict[tuple[tuple[str, int], ...], Trial] = field(default_factory=dict)

    @cached_property
    def module(self) -> Positional:
        """The model in its calling form."""
        names = tuple(self.spec)
        return Positional(
            self.loaded.module,
            names,
            constants=self.constants,
            pack=pack_for(self.loaded.blueprint.config, tuple(self.spec), model_class=type(self.loaded.module)),
            keyword=takes_keywords(self.loaded.module, names),
        )

    @cached_property
    def eager(self) -> Eager:
        """The truth."""
        return Eager(self.module, seed=self.settings.seed)

    @cached_property
    def judge(self) -> Judge:
        """Compares with eager; a Neuron device by what bf16 explains."""
        tolerance: dict[str, Any] = {"rtol": self.settings.rtol, "atol": self.settings.atol}
        if isinstance(self.backend, NeuronBackendBase) and self.backend.plan.action == RUN:
            return DeviceJudge(self.eager, **tolerance, ordinary=self.ordinary)
        return Judge(self.eager, **tolerance, shapes_only=self.meta)

    def ordinary(self) -> Iterator[Mapping[str, torch.Tensor]]:
        """Yield the ten fresh inputs at the anchor that a device is asked with."""
        return (self.make(self.sizes, seed=self.settings.seed + 1 + index) for index in range(SAMPLES))

    @property
    def meta(self) -> bool:
        """Whether the model holds no weights."""
        return self.loaded.blueprint.weights == "meta"

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The main anchor. Raises InputError where eager takes none of the sizes tried."""
        return choose_anchor(self.spec, self.refusal, avoid=self.numbers, requested=self.settings.anchor)

    def refusal(self, sizes: Sizes) -> str:
        """Say why eager refuses inputs of these sizes; an empty string where it takes them."""
        try:
            self.eager(self.make(sizes))
        except Exception as error:
            return first_line(error)
        return ""

    @cached_property
    def inputs(self) -> dict[str, torch.Tensor]:
        """The example of the main trace."""
        return self.make(self.sizes)

    def make(self, sizes: Sizes, *, seed: int | None = None) -> dict[str, torch.Tensor]:
        """Draw inputs of the given sizes; without a seed, the example of these sizes."""
        tensors = make_inputs(self.spec, sizes, self.settings.seed if seed is None else seed)
        return {name: tensor.to("meta") for name, tensor in tensors.items()} if self.meta else tensors

    def request(self, inputs: Mapping[str, torch.Tensor]) -> ExportRequest:
        """Return what the backend must know to export at these inputs."""
        dims = {name: [dim_name(dim) for dim in spec.dims] for name, spec in self.spec.items()}
        return ExportRequest(self.eager.copy(), tuple(inputs[name] for name in self.spec), tuple(self.spec), dims)

    @property
    def artifact(self) -> Artifact:
        """The export at the main anchor; what torch or a compiler raises passes through.

        A failure is kept like a success: a compiler that takes minutes to refuse is asked once.
        """
        if isinstance(self._export, Exception):
            raise self._export
        return self._export

    @cached_property
    def _export(self) -> Artifact | Exception:
        try:
            if isinstance(self.backend, TorchScriptBackend):  # the trace under check is the one whose graph is compared
                return TorchScriptArtifact(self.anchor_trace.module)
            return self.backend.export(self.request(self.inputs))
        except Exception as error:
            return error

    @property
    def of_another_model(self) -> bool:
        """Whether a file made elsewhere is wrong at the anchor already: then no line of this model is to blame for it."""
        return self.settings.artifact is not None and self.try_sizes(self.sizes).fails

    @property
    def was_traced(self) -> bool:
        """Whether an export at the main anchor was made, or tried: not before a check asked for it."""
        return bool({"_export", "anchor_trace"} & set(vars(self)))

    def export_at(self, sizes: Sizes) -> Artifact:
        """Export at other sizes."""
        return self.artifact if dict(sizes) == self.sizes else self.backend.export(self.request(self.make(sizes)))

    def trace(self, inputs: Mapping[str, torch.Tensor]) -> Trace:
        """Trace a fresh copy for the differential comparison of graphs."""
        return trace_module(self.eager.copy(), tuple(inputs[name] for name in self.spec))

    @cached_property
    def anchor_trace(self) -> Trace:
        """The left side of every differential comparison."""
        return self.trace(self.inputs)

    @cached_property
    def control_trace(self) -> Trace:
        """The same once more: what differs from `anchor_trace` is noise."""
        return self.trace(self.inputs)

    def try_sizes(self, sizes: Sizes) -> Trial:
        """Run both sides at sizes, once: the same sizes are not paid twice."""
        key = tuple(sorted(sizes.items()))
        if key not in self.trials:
            # Another seed than the example's: a value frozen at the anchor must show at the anchor's sizes too.
            trial = self.judge.trial(self.artifact, self.make(sizes, seed=self.settings.seed + 1))
            self.trials[key] = self._by_other_values(sizes, trial) if trial.fails and sizes != self.sizes else trial
        return self.trials[key]

    def _by_other_values(self, sizes: Sizes, failed: Trial) -> Trial:
        """Return a trial that agrees, where values are to blame: some fail at the anchor too, and others agree here.

        At batch 1 every mask may be full: what a full mask breaks at any size is no defect of the batch axis. Only fresh
        draws and other masks count: zeros agree wherever a size is frozen into a factor.
        """
        if self.meta or self.wrong_values is None:
            return failed
        trials = (self.judge.trial(self.artifact, inputs) for inputs in self._ordinary(sizes))
        return next((trial for trial in trials if trial.status == AGREES), failed)

    def _ordinary(self, sizes: Sizes) -> Iterator[Mapping[str, torch.Tensor]]:
        """Yield other ordinary inputs of the same sizes: two fresh draws, and the example under each other mask."""
        seed = self.settings.seed
        yield from (self.make(sizes, seed=seed + more) for more in (2, 3))
        example = self.make(sizes)
        plain = [name for name, spec in self.spec.items() if not is_mask(spec)]
        for _, inputs in variations(self.spec, sizes, seed):
            if len(plain) < len(self.spec) and all(torch.equal(inputs[name], example[name]) for name in plain):
                yield inputs

    @cached_property
    def values_tried(self) -> list[tuple[str, Mapping[str, torch.Tensor], Trial]]:
        """Other values at the anchor, fresh ones first, up to the first that fails."""
        seed = self.settings.seed
        tried: list[tuple[str, Mapping[str, torch.Tensor], Trial]]
        tried = [(f"fresh, seed {seed + 1}", self.make(self.sizes, seed=seed + 1), self.try_sizes(self.sizes))]
        directory = self.loaded.blueprint.directory
        real = real_inputs(directory, self.spec, self.sizes) if directory is not None else ()
        for name, inputs in chain(variations(self.spec, self.sizes, seed), real):
            if tried[-1][2].fails:
                break
            tried.append((name, inputs, self.judge.trial(self.artifact, inputs)))
        return tried

    @property
    def wrong_values(self) -> tuple[str, Mapping[str, torch.Tensor], Trial] | None:
        """The first values at the anchor's sizes that the artifact gets wrong."""
        return self.values_tried[-1] if self.values_tried[-1][2].fails else None

    def variant(
        self,
        *,
        without: tuple[str, ...] = (),
        spec: InputSpec | None = None,
        loaded: LoadedModel | None = None,
        **constants: Any,
    ) -> Case:
        """Return the same case with inputs left out, other inputs, other weights, or other constant keywords."""
        return Case(
            loaded or self.loaded,
            (spec or self.spec).without(*without),
            self.settings,
            self.backend,
            self.prefix,
            self.numbers,
            self.windows,
            {**self.constants, **constants},
            label=self.label,
            again=self.again,
        )

    @cached_property
    def steadiness(self) -> Finding:
        """Whether eager agrees with itself: asked once, because no other check means anything where it does not."""
        from pytest_torchscript.checks.basic import steadiness

        return steadiness(self)

    def run(self, check: str, axis: str | None = None) -> ModelResult:
        """Carry out one check and return its piece of the report."""
        from pytest_torchscript.checks.run import run_check

        return run_check(self, check, axis)
