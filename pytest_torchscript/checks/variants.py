"""The same model with more outputs: hidden states, and attentions with the implementation that can return them."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

from pytest_torchscript.checks.basic import lines_of, undecidable
from pytest_torchscript.checks.case import Case
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.judge import REFUSED, UNDECIDABLE
from pytest_torchscript.checks.sizes import format_sizes, neighbour
from pytest_torchscript.errors import first_line
from pytest_torchscript.models.attention import with_eager_attention
from pytest_torchscript.outputs import tensor_leaves


def check_hidden_states(case: Case) -> Finding:
    """The same with ``output_hidden_states=True``."""
    if not _takes(case, "output_hidden_states"):
        return Finding.skipped("its forward takes no output_hidden_states")
    return _check_variant(case, case.variant(output_hidden_states=True), "hidden states")


def check_attentions(case: Case) -> Finding:
    """The same with ``output_attentions=True``, on a second model of the same weights with eager attention."""
    if not _takes(case, "output_attentions"):
        return Finding.skipped("its forward takes no output_attentions")
    module = with_eager_attention(case.loaded)
    if module is None:
        return Finding.skipped("the architecture has no attentions")
    variant = case.variant(loaded=replace(case.loaded, module=module), output_attentions=True)
    return _check_variant(case, variant, "attentions")


def _takes(case: Case, keyword: str) -> bool:
    """Whether a transformers model knows the output flag: by name, or among the keywords it passes on."""
    parameters = inspect.signature(case.loaded.module.forward).parameters
    passed_on = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    return case.loaded.blueprint.config is not None and (keyword in parameters or passed_on)


def _check_variant(case: Case, variant: Case, what: str) -> Finding:
    variant.__dict__["sizes"] = case.sizes  # the same anchor: eager took it
    try:
        more = len(tensor_leaves(variant.eager(variant.inputs)))
    except Exception as error:
        return Finding.skipped(f"eager itself gives no {what}: {first_line(error)}")
    if more <= len(tensor_leaves(case.eager(case.inputs))):
        return Finding.skipped(f"the architecture has no {what}")
    try:
        variant.artifact  # noqa: B018 - exporting is the question
    except Exception as error:
        return Finding.failed(f"with {what} it cannot be exported", [first_line(error)], f"export it without {what}")
    for sizes in _sizes(case):
        trial = variant.try_sizes(sizes)
        if trial.fails:
            return Finding.failed(
                f"with {what} it is wrong at {format_sizes(sizes)}", lines_of(trial), f"export it without {what}"
            )
        if trial.status == UNDECIDABLE:
            return undecidable(trial)
        if trial.status == REFUSED and sizes == case.sizes:
            return Finding.skipped(f"eager itself gives no {what}: {trial.error}")
    return Finding.passed(f"{more} tensors with {what}")


def _sizes(case: Case) -> list[dict[str, int]]:
    """Return the anchor, and every axis moved once where the case itself agrees there."""
    moved: list[dict[str, Any]] = [
        {**case.sizes, name: neighbour(axis, case.sizes[name])} for name, axis in case.spec.moving.items()
    ]
    return [case.sizes, *(sizes for sizes in moved if case.try_sizes(sizes).status == "agrees")]
