"""The check `values`: other values at the same sizes, and inputs left out."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import COMPARED, OUTPUTS
from pytest_torchscript.checks.registry import check
from pytest_torchscript.errors import InputError
from pytest_torchscript.inputs.examples import ALONE, is_kept
from pytest_torchscript.inputs.infer import infer_inputs
from pytest_torchscript.lab.evidence import is_branch
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.subject import FRESH
from pytest_torchscript.lab.trial import AGREES, DIFFERS, REFUSED, UNDECIDABLE, Tensors, Trial
from pytest_torchscript.results import DIVERGES, DYNAMIC, FIXED, Cause, ValuesResult
from pytest_torchscript.spec import InputSpec


@check("values", order=70, asks=2, needs=(*COMPARED, OUTPUTS))
def check_values(lab: Lab) -> Finding:
    """The export equals eager for other values at the same sizes, and without optional inputs.

    Masks, edge values, zeros, magnitudes, real inputs; then every optional input left out, in a trace of its own.
    """
    if all(is_kept(lab.spec, name) for name in lab.spec):
        return Finding.skipped(ALONE)
    agreed, undecided = 0, 0
    for name, inputs, trial in lab.bench.values_tried:
        if trial.fails:
            return _values_failure(lab, name, inputs, trial)
        agreed += trial.status == AGREES
        undecided += trial.status == UNDECIDABLE
    for variant, what in _other_entries(lab):
        trial = _own_trace(variant, lab.sizes)
        if trial.fails:
            verdict = DIVERGES if trial.status == DIFFERS else FIXED
            verb = "does not answer as eager does" if trial.status == DIFFERS else "raises where eager answers"
            return Finding.failed(
                f"values: {lab.made} {what}, it {verb} {what}",
                trial.lines,
                f"feed the model as it was {lab.made}, or make the default of what is missing with tensor operations",
                values=ValuesResult(verdict, {"values": what, **lab.sizes}),
            )
        agreed += trial.status == AGREES
    if not agreed:
        reason = (
            "undecidable: eager's own rounding noise hides any answer" if undecided else "eager takes no other values"
        )
        return Finding.skipped(reason)
    return Finding.passed(f"{agreed} sets of values", values=ValuesResult(DYNAMIC))


def _other_entries(lab: Lab) -> Iterator[tuple[Lab, str]]:
    """Yield the model fed otherwise, each for a trace of its own: without each optional input, without all of them, and
    by embeddings in place of ids. Nothing where another export is impossible, or takes minutes."""
    if not lab.backend.traits.reexports:
        return
    optional = [name for name in lab.spec.optional if len(lab.spec) > 1]
    left_out: list[tuple[str, ...]] = list(combinations(optional, 1))
    if 1 < len(optional) < len(lab.spec):
        left_out.append(tuple(optional))
    for names in left_out:
        yield lab.variant(without=names), f"without {' and '.join(names)}"
    embeds = _embeds_spec(lab)
    if embeds is not None:
        yield lab.variant(spec=embeds), "with inputs_embeds in place of input_ids"


def _embeds_spec(lab: Lab) -> InputSpec | None:
    """Return the inputs of a text model entered by its embeddings; None where it has no such entry."""
    blueprint = lab.subject.loaded.blueprint
    if blueprint.config is None or blueprint.model_class is None or "input_ids" not in lab.spec:
        return None
    if "inputs_embeds" not in inspect.signature(blueprint.model_class.forward).parameters:
        return None
    try:
        spec = infer_inputs(blueprint.config, blueprint.model_class, blueprint.task, embeds=True)
    except InputError:
        return None
    kept = InputSpec({name: item for name, item in spec.items() if name in lab.spec or name == "inputs_embeds"})
    return kept.with_axes(lab.spec.axes) if set(kept.axes) <= set(lab.spec.axes) else None


def _own_trace(variant: Lab, sizes: Mapping[str, int]) -> Trial:
    """Compare a trace of a model fed otherwise, on fresh inputs; refused where eager wants what is missing."""
    try:
        inputs = variant.subject.draw(sizes)
        if not variant.backend.traits.torchscript:  # before an export that takes long; the tracer calls eager itself
            variant.subject.eager(inputs)
        artifact = variant.export.of(inputs)
    except Exception as error:
        return Trial(REFUSED, str(error))
    return variant.bench.judge.trial(artifact, variant.subject.draw(sizes, FRESH))


def _values_failure(lab: Lab, name: str, inputs: Tensors, trial: Trial) -> Finding:
    causes = lab.evidence.explain_values(inputs)
    verdict = DIVERGES if trial.status == DIFFERS else FIXED
    verb = "answers differently" if trial.status == DIFFERS else "raises"
    return Finding.failed(
        f"values: the export {verb} for other values at the same sizes: {name}",
        [*trial.lines, *lab.evidence.places(causes)],
        lab.evidence.advice(causes, _hint(lab, causes)),
        values=ValuesResult(verdict, {"values": name, **lab.sizes}, causes),
    )


def _hint(lab: Lab, causes: Sequence[Cause]) -> str:
    """Advise on what was frozen: a branch that Python took, or a number, a list or a length that it read."""
    if causes and is_branch(causes[0]):
        return "a branch on values was frozen: use torch.where, or masks, instead of Python's if"
    if causes:
        return "a value was read into Python and frozen: keep it a tensor, without int(), float(), item() or tolist()"
    if lab.evidence.elsewhere:
        return "try another exporter or version; runtimes answer in their own ways for rows that a mask hides whole"
    return "the trace kept something of its example: look for numpy, for .data, and for state outside of the inputs"
