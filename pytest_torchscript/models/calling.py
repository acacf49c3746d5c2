"""How a model is called: by keyword, in a stated order, with tensors in and a flat tuple of tensors out.

Of 86 architectures measured, all trace in this form; by position, nine get their mask into the wrong parameter.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

from pytest_torchscript.common.floods import bounded
from pytest_torchscript.common.global_state import put_back
from pytest_torchscript.errors import as_exception, machine_failure, passes_through
from pytest_torchscript.form import Form, plain_form
from pytest_torchscript.models.functions import call_parameters
from pytest_torchscript.outputs import tensor_leaves

#: Turns the arguments of one call into the keywords of the model: packs flat caches into the model's own objects.
Pack = Callable[[Mapping[str, Any]], Mapping[str, Any]]

#: Says, for as long as it is entered, what the tensors of one call would hold.
Knowing = Callable[[Mapping[str, torch.Tensor]], AbstractContextManager[Any]]

#: Whether torch.export or torch.compile reads the code that runs; older releases of torch have neither.
_is_compiling: Callable[[], bool] = getattr(getattr(torch, "compiler", None), "is_compiling", bool)


class Positional(nn.Module):
    """A model seen through an ordered list of flat inputs: ``forward(*tensors)`` returns its tensors, flat.

    ``form`` puts the inputs together for the model's own call: nested containers, constants; without it each is an argument.
    ``constants`` are keywords given at every call (``use_cache=False``); ``pack`` joins flat caches; ``keyword`` False
    calls the model by position, for modules whose forward does not name its parameters. ``told`` hears what a call changed of
    the process, ``flooded`` what it prints and logs too much of; ``knowing`` is entered around every call with its tensors by
    name: without weights it says what they would hold. All three are functions, which copies share.
    """

    def __init__(
        self,
        model: nn.Module,
        names: tuple[str, ...],
        *,
        form: Form | None = None,
        constants: Mapping[str, Any] | None = None,
        pack: Pack | None = None,
        keyword: bool = True,
        told: Callable[[str], object] = lambda _name: None,
        flooded: Callable[[str], object] = lambda _said: None,
        knowing: Knowing = lambda _tensors: nullcontext(),
    ) -> None:
        super().__init__()
        self.model = model
        self.names = names
        self.form = form or plain_form(names)
        self.constants = dict(constants or {})
        self.pack = pack
        self.keyword = keyword
        self.told = told
        self.flooded = flooded
        self.knowing = knowing
        self.training = model.training

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the tensors of the model's output, in the order `tensor_leaves` walks it."""
        return tuple(leaf for _, leaf in tensor_leaves(self.call(*tensors)))

    def call(self, *tensors: torch.Tensor) -> Any:
        """Return the model's output as it is.

        A model that exits raises, like any other that does not answer. MachineFailure where memory ends or a device gives up.
        """
        try:
            if _is_compiling():  # an exporter that reads this code cannot follow what looks at the process
                return self._called(tensors)
            with put_back(self.told), bounded(self.flooded), self.knowing(dict(zip(self.names, tensors))):
                return self._called(tensors)
        except BaseException as error:
            if passes_through(error):
                raise
            failed = machine_failure(error, dict(zip(self.names, tensors)))
            if failed is not None:
                raise failed from None
            if isinstance(error, Exception):
                raise
            raise as_exception(error) from None

    def _called(self, tensors: tuple[torch.Tensor, ...]) -> Any:
        arguments: Mapping[str, Any] = self.form.build(dict(zip(self.names, tensors)))
        if not self.keyword:
            return self.model(*arguments.values(), **self.constants)
        if self.pack is not None:
            arguments = self.pack(arguments)
        return self.model(**{**arguments, **self.constants})


def takes_keywords(module: nn.Module, names: Collection[str]) -> bool:
    """Whether a model takes all names as keywords; one that has other names, or shows none, is called by position."""
    parameters = call_parameters(module)
    if parameters is None:
        return False
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return True
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return all(name in parameters and parameters[name].kind in kinds for name in names)


def names_by_place(parameters: Mapping[str, inspect.Parameter] | None, count: int) -> tuple[list[str], bool]:
    """Return what so many arguments given by place are called, and whether they may be given by these names too.

    Fewer names than asked for where the model takes no more arguments by place.
    """
    if parameters is None:
        return [f"input_{index}" for index in range(count)], False
    placed = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [name for name, parameter in parameters.items() if parameter.kind in placed][:count]
    named = all(parameters[name].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for name in names)
    rest = next((name for name, item in parameters.items() if item.kind is inspect.Parameter.VAR_POSITIONAL), None)
    if rest is not None and len(names) < count:
        return [*names, *(f"{rest}_{index}" for index in range(count - len(names)))], False
    return names, named
