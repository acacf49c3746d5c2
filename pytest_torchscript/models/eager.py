"""Eager, the truth: the untouched model, run so that one call cannot spoil the next.

Every call gets clones of its inputs and the same seed. A model that changes itself when called (BigBird switches its
attention type for good, LeViT fills a cache) is replaced by a fresh copy after the call that changed it; one that only
computes its weights anew (a weight norm by hooks) is not. Copies share their weights, except those of a model that writes to
them (RWKV divides some of its at the first call): after the first call they are put back, and every copy has its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

import torch

from pytest_torchscript.common.copying import copy_module
from pytest_torchscript.common.devices import generators_of, seed_generators
from pytest_torchscript.common.phases import Passes
from pytest_torchscript.models.answers import Answers, key_of
from pytest_torchscript.models.calling import Positional
from pytest_torchscript.models.layer_by_layer import layer_by_layer
from pytest_torchscript.models.placing import device_of, dtype_of, in_dtype
from pytest_torchscript.models.state import Glance, changes, look_at
from pytest_torchscript.models.weights import KeptWeights, are_many, bytes_of_weights

Tensors = Mapping[str, torch.Tensor]


class Eager:
    """Runs a positional module on named inputs, and counts its forward passes.

    ``answers`` remembers what it said, where several backends will ask the same. ``counted`` counts its passes together with
    those of others. ``dtype`` is what it computes in and ``device`` where it runs, None where its weights tell. Inputs
    may be anywhere and are moved there. ``drew``: whether the last run asked torch for random numbers, as far as that can be
    told.
    """

    def __init__(
        self,
        module: Positional,
        *,
        seed: int = 0,
        answers: Answers | None = None,
        counted: Passes | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> None:
        self._pristine = module
        #: Whether copies may share the weights. What they were is kept until a call has shown that it leaves them alone.
        self.shares = True
        self._kept: KeptWeights | None = (
            None if any(each.is_meta for each in module.parameters()) else KeptWeights(module)
        )
        self._working = copy_module(module)
        #: The copy that every call so far was made on, where none has changed it.
        self.used: Positional | None = None
        self._state, self._glance = look_at(self._working), Glance(self._working)
        self.seed = seed
        self.passes = 0
        self.drew = False
        self._answers = answers
        self.dtype = dtype_of(module) if dtype is None else dtype
        self.device = device_of(module) if device is None else device
        self.counted = Passes() if counted is None else counted

    @cached_property
    def bytes_of_weights(self) -> int:
        """What its parameters take in memory."""
        return bytes_of_weights(self._pristine)

    @property
    def many_weights(self) -> bool:
        """Whether a second copy of its parameters has to fit first."""
        return are_many(self._pristine)

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs, in the order of the positional form."""
        return self._pristine.names

    def __call__(self, inputs: Tensors, *, seed: int | None = None) -> Any:
        """Return the model's output as it is; what eager raises passes through."""
        if self._answers is None:
            return self.anew(inputs, seed)
        key = key_of(inputs, self.seed if seed is None else seed)
        found = self._answers.find(key)
        if found is None:
            found = self.anew(inputs, seed)
            self._answers.keep(key, found)
        return found

    def remember(self, inputs: Tensors, answer: Any) -> None:
        """Take the answer of a copy that the call left as it was for what any other would say."""
        if self._answers is not None:
            self._answers.keep(key_of(inputs, self.seed), answer)

    def anew(self, inputs: Tensors, seed: int | None = None) -> Any:
        """Ask again, whatever was said before: to time it."""
        try:
            self.used = self._working
            return self.run(self._working, inputs, seed=seed)
        finally:
            if not (self.shares and self._glance.same()):
                before, self._state = self._state, look_at(self._working)
                if not self.shares or changes(before, self._state):
                    self._working, self.used = self.copy(), None
                    self._state = look_at(self._working)
                self._glance = Glance(self._working)

    def run(
        self, module: Positional, inputs: Tensors, *, seed: int | None = None, at: torch.device | None = None
    ) -> Any:
        """Run a given copy once, seeded, on clones; ``at`` is its device where that is another than eager's."""
        self.passes += 1
        self.counted.begin("eager", inputs)
        tensors = [self.taken(inputs[name], at) for name in self.names]
        with torch.no_grad(), torch.random.fork_rng(devices=generators_of(self.device)):
            seed_generators(self.seed if seed is None else seed)
            before = torch.get_rng_state()
            answer = self._called(module, tensors)
            here = all(
                tensor.device.type == "cpu" for tensor in tensors
            )  # elsewhere other generators may have been asked
            self.drew = not (here and torch.equal(before, torch.get_rng_state()))
            return answer

    def _called(self, module: Positional, tensors: list[torch.Tensor]) -> Any:
        """Call a copy; the first call that is answered shows whether the model writes to its weights."""
        if self._kept is None:
            return module.call(*tensors)
        answered = False
        try:
            with self._kept.watching():
                answer = module.call(*tensors)
            answered = True
        finally:
            if self._kept.put_back():
                self.shares = False
            if answered:
                self._kept = None
        return answer

    def knowing(self, tensors: Sequence[torch.Tensor]) -> AbstractContextManager[Any]:
        """Return what says, while it is entered, what the tensors of one call would hold where they hold nothing."""
        return self._pristine.knowing(dict(zip(self.names, tensors)))

    def taken(self, tensor: torch.Tensor, at: torch.device | None = None) -> torch.Tensor:
        """Return a tensor of its own where the model runs; one that holds no values stays."""
        return tensor.clone() if tensor.is_meta else tensor.to(self.device if at is None else at, copy=True)

    def copy(self, *, share: bool = True) -> Positional:
        """Return a copy for one trace, or for two calls in a row. It shares the weights, unless ``share`` is False or the model
        is known to write to them."""
        copied: Positional = copy_module(self._pristine, share=share and self.shares)
        return copied

    def in_dtype(self, dtype: torch.dtype, device: torch.device | None = None, *, whole: bool = True) -> Positional:
        """Return a copy that computes in another dtype, on another device where one is named; costs its weights until it is
        dropped. Not ``whole`` it costs those of one layer, and may raise when it is called: see `layer_by_layer`."""
        if not whole:
            turned_late: Positional = layer_by_layer(self._pristine, dtype)
            return turned_late
        copied = copy_module(self._pristine, share=False)
        turned: Positional = in_dtype(copied if device in (None, self.device) else copied.to(device), dtype)
        return turned

    def in_float64(self) -> Positional:
        """Return a copy in double precision."""
        return self.in_dtype(torch.float64)
