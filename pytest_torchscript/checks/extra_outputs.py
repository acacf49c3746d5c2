"""The checks `hidden_states` and `attentions`: the same with more outputs, and the attention that can return them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace

from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import COMPARED, OUTPUTS, REEXPORTS
from pytest_torchscript.checks.registry import check
from pytest_torchscript.errors import first_line
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.sizes import format_sizes
from pytest_torchscript.lab.trial import AGREES, REFUSED, UNDECIDABLE
from pytest_torchscript.models.attention import with_eager_attention
from pytest_torchscript.outputs import tensor_leaves


@check("hidden_states", order=130, needs=(*COMPARED, OUTPUTS, REEXPORTS))
def check_hidden_states(lab: Lab) -> Finding:
    """The same with hidden states among the outputs."""
    if not _takes(lab, "output_hidden_states"):
        return Finding.skipped("its forward takes no output_hidden_states")
    return _check_variant(lab, lab.variant(anchor=lab.sizes, output_hidden_states=True), "hidden states")


@check("attentions", order=140, needs=(*COMPARED, OUTPUTS, REEXPORTS))
def check_attentions(lab: Lab) -> Finding:
    """The same with attentions among the outputs.

    On a second model of the same weights with eager attention: the other implementations return none.
    """
    if not _takes(lab, "output_attentions"):
        return Finding.skipped("its forward takes no output_attentions")
    module = with_eager_attention(lab.subject.loaded)
    if module is None:
        return Finding.skipped("the architecture has no attentions")
    loaded = replace(lab.subject.loaded, module=module)
    variant = lab.variant(loaded=loaded, anchor=lab.sizes, output_attentions=True)
    return _check_variant(lab, variant, "attentions")


def _takes(lab: Lab, keyword: str) -> bool:
    """Whether a transformers model knows the output flag: by name, or among the keywords it passes on."""
    parameters = inspect.signature(lab.subject.loaded.module.forward).parameters
    passed_on = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    return lab.subject.loaded.blueprint.config is not None and (keyword in parameters or passed_on)


def _check_variant(lab: Lab, variant: Lab, what: str) -> Finding:
    try:
        more = len(tensor_leaves(variant.subject.answer))
    except Exception as error:
        return Finding.skipped(f"eager itself gives no {what}: {first_line(error)}")
    if more <= len(tensor_leaves(lab.subject.answer)):
        return Finding.skipped(f"the architecture has no {what}")
    try:
        variant.export.artifact  # noqa: B018 - exporting is the question
    except Exception as error:
        return Finding.failed(f"with {what} it cannot be exported", [first_line(error)], f"export it without {what}")
    for sizes in _sizes(lab, variant):
        trial = variant.bench.at(sizes)
        if trial.fails:
            return Finding.failed(
                f"with {what} it is wrong at {format_sizes(sizes)}", trial.lines, f"export it without {what}"
            )
        if trial.status == UNDECIDABLE:
            return Finding.undecidable(trial)
        if trial.status == REFUSED and sizes == lab.sizes:
            return Finding.skipped(f"eager itself gives no {what}: {trial.error}")
    return Finding.passed(f"{more} tensors with {what}")


def _sizes(lab: Lab, variant: Lab) -> Iterator[dict[str, int]]:
    """Yield the anchor, and all axes moved at once; where the variant does not agree there, each of them moved alone. Only
    sizes at which the lab itself agrees."""
    yield lab.sizes
    near = {name: axis.neighbour(lab.sizes[name]) for name, axis in lab.spec.moving.items()}
    together = {**lab.sizes, **near}
    if lab.bench.at(together).status == AGREES and variant.bench.met(together).status == AGREES:
        return
    for sizes in ({**lab.sizes, name: size} for name, size in near.items()):
        if sizes != lab.sizes and lab.bench.at(sizes).status == AGREES:
            yield sizes
