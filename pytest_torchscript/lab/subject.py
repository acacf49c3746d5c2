"""The subject: one model in its calling form, what it is fed, and the sizes it is exported at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import nn

from pytest_torchscript.common.floods import WARNINGS
from pytest_torchscript.common.jit import unheard
from pytest_torchscript.common.phases import Passes
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import InputError, ModelError
from pytest_torchscript.form import Form, type_name
from pytest_torchscript.inputs.caches import called_names, pack_for
from pytest_torchscript.inputs.draw import is_drawn_freely, is_float, is_mask
from pytest_torchscript.inputs.values import make_inputs
from pytest_torchscript.lab.anchors import Refusal, choose_anchor, fed
from pytest_torchscript.lab.overflow import HALF, Overflow, overflow_of, refused_place
from pytest_torchscript.lab.steadiness import Steadiness, steadiness_of
from pytest_torchscript.models.answers import FOR_ONE, LIMIT, Answers
from pytest_torchscript.models.calling import Knowing, Positional, takes_keywords
from pytest_torchscript.models.eager import Eager
from pytest_torchscript.models.known_values import KnownValues
from pytest_torchscript.models.resolve import LoadedModel
from pytest_torchscript.outputs import tensor_leaves
from pytest_torchscript.settings import Settings
from pytest_torchscript.spec import Axis, InputSpec
from pytest_torchscript.tracing.words import words_of

Sizes = Mapping[str, int]
Tensors = Mapping[str, torch.Tensor]

#: A size is dear that feeds more numbers than this (17 pictures of 224 x 224), and more than so many times the example.
MANY_NUMBERS, MANY_TIMES = 5 << 19, 4
#: Which drawing of inputs is meant: what everything is traced with, and the first that the export has not seen.
EXAMPLE, FRESH = 0, 1


def by_keyword(module: nn.Module, form: Form) -> bool:
    """Whether the arguments of a form are given by keyword: where the model names them as the form does."""
    return not form.positional and takes_keywords(module, called_names(form.arguments, type(module)))


@dataclass
class Subject:
    """A model, its inputs and its settings; knows no export.

    ``numbers`` are the model's hyper-parameters, ``windows`` those that may be a window or a stride; ``constants`` are
    keywords of every call; ``anchor`` holds the sizes of the main export where they are known already. ``passes`` counts
    every forward pass, of eager, of its variants and of their exports. ``truths`` are the eager models by the inputs that they
    take, shared with the variants of the same weights.
    """

    loaded: LoadedModel
    spec: InputSpec
    settings: Settings
    numbers: tuple[int, ...] = ()
    windows: tuple[int, ...] = ()
    constants: Mapping[str, Any] = field(default_factory=dict)
    anchor: Sizes | None = None
    passes: Passes = field(default_factory=Passes)
    truths: dict[tuple[str, ...], Eager] = field(default_factory=dict)
    _answers: list[Any] = field(init=False, default_factory=list)

    @cached_property
    def module(self) -> Positional:
        """The model in its calling form."""
        module, form = self.loaded.module, self.spec.form
        changed, flooded = self.passes.changed, self.passes.flooded
        return Positional(
            module,
            tuple(self.spec),
            form=form,
            constants=self.constants,
            pack=pack_for(self.loaded.blueprint.config, tuple(form.arguments), model_class=type(module)),
            keyword=by_keyword(module, form),
            told=lambda name: changed.setdefault(name),
            flooded=lambda said: flooded.setdefault(said),
            **({"knowing": _knowing_full_masks(self.spec, self.settings.seed, self.passes)} if self.meta else {}),
        )

    @cached_property
    def eager(self) -> Eager:
        """The truth that every answer is compared with."""
        inputs = tuple(self.spec)
        if inputs not in self.truths:
            self.truths[inputs] = self._truth()
        return self.truths[inputs]

    def _truth(self) -> Eager:
        return Eager(
            self.module,
            seed=self.settings.seed,
            answers=Answers(LIMIT if len(self.settings.backends) > 1 else FOR_ONE),
            counted=self.passes,
            dtype=getattr(torch, self.loaded.dtype),
            device=torch.device(self.loaded.device),
        )

    @cached_property
    def steadiness(self) -> Steadiness:
        """Whether eager agrees with itself: asked once, because no other check means anything where it does not.

        Without weights there is nothing that could differ.
        """
        if self.meta:
            return Steadiness()
        warned = 0

        def hear(_said: str) -> None:
            nonlocal warned
            warned += 1

        with quiet(told=hear):
            found = steadiness_of(self.eager, self.inputs, self.answer)
        if warned > WARNINGS:
            self.passes.flooded[f"warns more than {WARNINGS:,} times"] = None
        return found

    @property
    def meta(self) -> bool:
        """Whether the model holds no weights."""
        return self.loaded.blueprint.weights == "meta"

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The main anchor: what an option says, else the sizes of the user's examples, else ours.

        Raises InputError where eager takes none of the sizes tried, ModelError where it answers without a tensor.
        """
        if self.anchor is not None:
            return dict(self.anchor)
        given = {name: size for name, size in self.example_sizes.items() if self.spec.axes[name].allows(size)}
        wanted = {**given, **self.settings.anchor}
        try:
            return self._chosen(wanted)
        except InputError:
            if not given or all(wanted[name] == size for name, size in self.example_sizes.items()):
                raise  # what the user gave is refused
        return self._chosen(self.settings.anchor)

    @cached_property
    def overflow(self) -> Overflow:
        """What eager loses in half precision on its example."""
        halved = self.eager.dtype in HALF and not self.meta
        return overflow_of(self.eager, self.inputs, self.answer) if halved else Overflow()

    def _chosen(self, requested: Sizes) -> dict[str, int]:
        def refusal(sizes: Sizes) -> str:
            why, answer = self._ask(sizes)
            self._answers[:] = [answer]
            return why

        def choose(refusal: Refusal) -> dict[str, int]:
            return choose_anchor(self.spec, refusal, avoid=self.numbers, requested=requested)

        try:
            sizes = choose(refusal)
        except InputError as refused:
            usual = {"dtype": "float32", "device": "cpu"}
            given = {name: getattr(self.settings, name) for name in usual}
            asked = {name: value for name, value in given.items() if value not in (None, usual[name])}
            if self.meta or not asked:
                raise
            name = self.loaded.class_name
            raise refused_place(self.eager, refused, name, asked, draw=self.draw, choose=choose) from None
        if not tensor_leaves(self._answers[0]):
            raise ModelError(
                f"{self.loaded.class_name} returns no tensor: {type_name(self._answers[0])}, where nothing can be compared",
                hint="return tensors, or a tuple, list, dict or dataclass that holds some",
            )
        return sizes

    @cached_property
    def answer(self) -> Any:
        """What eager answers to the example; known from the search for the anchor, where there was one."""
        inputs = self.inputs  # asks for the anchor, if nobody did
        return self._answers.pop() if self._answers else self.eager(inputs)

    @cached_property
    def example_sizes(self) -> dict[str, int]:
        """The sizes of the user's example tensors; none where none were given."""
        return self.spec.sizes_of(self.spec.examples)

    @cached_property
    def inputs(self) -> dict[str, torch.Tensor]:
        """The example of the main export."""
        return self.draw(self.sizes)

    def draw(self, sizes: Sizes, nth: int = EXAMPLE) -> dict[str, torch.Tensor]:
        """Return the nth drawing of inputs of these sizes, on the CPU; equal for equal sizes, number and seed.

        The number 0 is the example that an export of these sizes is made with: the user's own, where it has these sizes. A
        value frozen there must show, so what is compared is drawn with another number.
        """
        tensors = make_inputs(self.spec, sizes, self.settings.seed + nth)
        if nth == EXAMPLE and all(sizes[name] == size for name, size in self.example_sizes.items()):
            tensors.update(self.spec.examples)
        return {name: tensor.to("meta") for name, tensor in tensors.items()} if self.meta else tensors

    def moved(self, sizes: Sizes, nth: int = FRESH) -> dict[str, torch.Tensor]:
        """Return inputs of other sizes for which size alone is to blame, as far as drawing can see to that.

        An input whose shape does not move keeps the value of the example (a number given beside a signal must not change
        when the batch does), unless what it may hold follows from the sizes. The others are the nth drawing.
        """
        drawn, kept = self.draw(sizes, nth), self._kept(sizes)
        return {name: kept.get(name, tensor) for name, tensor in drawn.items()}

    def _kept(self, sizes: Sizes) -> dict[str, torch.Tensor]:
        """Return the example's inputs that these sizes do not touch: neither their shapes nor what may be drawn for them."""
        seed, shaped, main = self.settings.seed, self.spec.at(sizes), self.sizes
        still = [name for name, tensor in self.spec.items() if shaped[name].shape(sizes) == tensor.shape(main)]
        there, here = (make_inputs(self.spec, each, seed, only=still) for each in (sizes, main))
        return {name: self.inputs[name] for name in still if torch.equal(there[name], here[name])}

    def stretched(self, sizes: Sizes, *, late: bool = False) -> dict[str, torch.Tensor]:
        """Return the example at other sizes: every position is repeated as often as it takes, or some are left out.

        What the values have in common (their largest, their spread, which of them occur) stays as it is where no position
        is left out. ``late`` prefers the later ones. What cannot be repeated (positions, what a function fills) is drawn.
        """
        drawn, kept = self.draw(sizes), self._kept(sizes)
        return {
            name: kept[name]
            if name in kept
            else repeated(self.inputs[name], tensor.shape, late=late)
            if is_drawn_freely(self.spec[name])
            else tensor
            for name, tensor in drawn.items()
        }

    def keeps_its_values(self, sizes: Sizes) -> bool:
        """Whether the stretched example repeats each of its positions equally often."""
        kept = self._kept(sizes)
        whole = all(size % self.sizes[name] == 0 for name, size in sizes.items())
        return whole and all(name in kept or is_drawn_freely(spec) for name, spec in self.spec.items())

    def ordered(self, inputs: Tensors) -> tuple[torch.Tensor, ...]:
        """Return inputs by position, where the model runs."""
        device = self.eager.device
        return tuple(inputs[name] if inputs[name].is_meta else inputs[name].to(device) for name in self.spec)

    def fed(self, sizes: Sizes) -> int:
        """Return how many numbers inputs of these sizes hold: what a forward pass costs, roughly."""
        return fed(self.spec, sizes)

    @property
    def most_fed(self) -> int:
        """So many numbers are fed at once at most, unless something is suspicious about more."""
        return max(MANY_NUMBERS, MANY_TIMES * self.fed(self.sizes))

    def affordable(self, name: str, hints: Iterable[int] = ()) -> Axis:
        """Return an axis up to its end, or to where more than `most_fed` is fed, by one row where another axis is in question.
        Hints lie within it."""
        axis, batch = self.spec.axes[name], self.spec.moving.get("batch")
        others = {**self.sizes, "batch": batch.first} if batch is not None and name != "batch" else self.sizes
        if axis.sizes or self.fed({**others, name: axis.last}) <= self.most_fed:
            return axis
        sizes = range(axis.first, axis.last, axis.multiple_of)
        cheap = [size for size in sizes if self.fed({**others, name: size}) <= self.most_fed]
        return replace(axis, max=max([*cheap[-1:], self.sizes[name], *filter(axis.allows, hints)]))

    def refusal(self, sizes: Sizes) -> str:
        """Say why eager refuses inputs of these sizes; an empty string where it takes them."""
        return self._ask(sizes)[0]

    def _ask(self, sizes: Sizes) -> tuple[str, Any]:
        inputs = self.draw(sizes)
        try:
            return "", self.eager(inputs)
        except Exception as error:
            return "\n".join(words_of(error)), None

    def variant(
        self,
        *,
        without: tuple[str, ...] = (),
        spec: InputSpec | None = None,
        loaded: LoadedModel | None = None,
        anchor: Sizes | None = None,
        **constants: Any,
    ) -> Subject:
        """Return the same subject with inputs left out, other inputs, other weights, or other constant keywords.

        Its anchor is found anew unless it is given.
        """
        return replace(
            self,
            loaded=loaded or self.loaded,
            spec=(spec or self.spec).without(*without),
            constants={**self.constants, **constants},
            anchor=anchor,
            truths={} if loaded or constants else self.truths,
        )


def _knowing_full_masks(spec: InputSpec, seed: int, passes: Passes) -> Knowing:
    """Return what says of a call without values what they would be: masks hide nothing, other whole numbers are drawn."""
    whole = {name: tensor for name, tensor in spec.items() if not is_float(tensor)}

    def knowing(tensors: Tensors) -> AbstractContextManager[Any]:
        if not all(type(tensor) is torch.Tensor and tensor.is_meta for tensor in tensors.values()):
            return nullcontext()  # an exporter's own stand-ins

        with unheard():  # drawing them is no part of a trace
            drawn = make_inputs(spec, spec.sizes_of(tensors), seed)
            known = [
                (tensors[name], torch.ones_like(drawn[name]) if is_mask(tensor) else drawn[name])
                for name, tensor in whole.items()
            ]
            return KnownValues(known, lambda line: passes.read.setdefault(line))

    return knowing


def repeated(tensor: torch.Tensor, shape: tuple[int, ...], *, late: bool = False) -> torch.Tensor:
    """Return a tensor of another shape with as many dims, whose positions are those of the given one, in their order."""
    for dim, (old, new) in enumerate(zip(tensor.shape, shape)):
        if old != new and old:
            places = torch.arange(new)
            places = ((places + 1) * old + new - 1) // new - 1 if late else places * old // new
            tensor = tensor.index_select(dim, places)
    return tensor
