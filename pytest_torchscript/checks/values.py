"""Other values at the same sizes, inputs left out, and whether an input is felt at all."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from itertools import combinations

from pytest_torchscript.checks.basic import lines_of
from pytest_torchscript.checks.case import Case
from pytest_torchscript.checks.causes import advice, explain_values, place_lines
from pytest_torchscript.checks.device_judge import DeviceJudge
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.judge import AGREES, DIFFERS, REFUSED, UNDECIDABLE, Tensors, Trial
from pytest_torchscript.compare.compare import margin
from pytest_torchscript.errors import InputError
from pytest_torchscript.inputs.infer import infer_inputs
from pytest_torchscript.inputs.values import redraw
from pytest_torchscript.results import DIVERGES, DYNAMIC, FIXED, ValuesResult
from pytest_torchscript.spec import InputSpec

#: Margins of the sensitivity rule: at least so many times what a comparison allows.
FELT, BLIND = 100.0, 10.0
DRAWS = 3


def check_values(case: Case) -> Finding:
    """Masks, edge values, zeros, magnitudes, real inputs; then every optional input left out, in a trace of its own."""
    agreed, undecided = 0, 0
    for name, inputs, trial in case.values_tried:
        if trial.fails:
            return _values_failure(case, name, inputs, trial)
        agreed += trial.status == AGREES
        undecided += trial.status == UNDECIDABLE
    for variant, what in _other_entries(case):
        trial = _own_trace(variant, case.sizes)
        if trial.fails:
            verdict = DIVERGES if trial.status == DIFFERS else FIXED
            return Finding.failed(
                f"values: traced {what}, it does not answer as eager does {what}",
                lines_of(trial),
                "feed the model as it was traced, or make the default of what is missing with tensor operations",
                values=ValuesResult(verdict, {"values": what, **case.sizes}),
            )
        agreed += trial.status == AGREES
    if not agreed:
        reason = (
            "undecidable: eager's own rounding noise hides any answer" if undecided else "eager takes no other values"
        )
        return Finding.skipped(reason)
    return Finding.passed(f"{agreed} sets of values", values=ValuesResult(DYNAMIC))


def _other_entries(case: Case) -> Iterator[tuple[Case, str]]:
    """Yield the case fed otherwise, each for a trace of its own: without each optional input, without all of them, and
    by embeddings in place of ids. Nothing of a file made elsewhere, nor where each would be a compilation of minutes."""
    if case.settings.artifact is not None or isinstance(case.judge, DeviceJudge):
        return
    optional = [name for name in case.spec.optional if len(case.spec) > 1]
    left_out: list[tuple[str, ...]] = list(combinations(optional, 1))
    if 1 < len(optional) < len(case.spec):
        left_out.append(tuple(optional))
    for names in left_out:
        yield case.variant(without=names), f"without {' and '.join(names)}"
    embeds = _embeds_spec(case)
    if embeds is not None:
        yield case.variant(spec=embeds), "with inputs_embeds in place of input_ids"


def _embeds_spec(case: Case) -> InputSpec | None:
    """Return the inputs of a text model entered by its embeddings; None where it has no such entry."""
    blueprint = case.loaded.blueprint
    if blueprint.config is None or blueprint.model_class is None or "input_ids" not in case.spec:
        return None
    if "inputs_embeds" not in inspect.signature(blueprint.model_class.forward).parameters:
        return None
    try:
        spec = infer_inputs(blueprint.config, blueprint.model_class, blueprint.task, embeds=True)
    except InputError:
        return None
    kept = InputSpec({name: item for name, item in spec.items() if name in case.spec or name == "inputs_embeds"})
    return kept.with_axes(case.spec.axes) if set(kept.axes) <= set(case.spec.axes) else None


def _own_trace(variant: Case, sizes: Mapping[str, int]) -> Trial:
    """Compare a trace of a case fed otherwise, on fresh inputs; refused where eager wants what is missing."""
    try:
        inputs = variant.make(sizes)
        variant.eager(inputs)
        artifact = variant.backend.export(variant.request(inputs))
    except Exception as error:
        return Trial(REFUSED, str(error))
    return variant.judge.trial(artifact, variant.make(sizes, seed=variant.settings.seed + 1))


def _values_failure(case: Case, name: str, inputs: Tensors, trial: Trial) -> Finding:
    causes = explain_values(case, inputs)
    verdict = DIVERGES if trial.status == DIFFERS else FIXED
    verb = "answers differently" if trial.status == DIFFERS else "raises"
    return Finding.failed(
        f"values: traced {verb} for other values at the same sizes: {name}",
        [*lines_of(trial), *place_lines(case, causes)],
        advice(case, causes, "a branch on values was frozen: use torch.where, or masks, instead of Python's if"),
        values=ValuesResult(verdict, {"values": name, **case.sizes}, causes),
    )


def check_sensitivity(case: Case) -> Finding:
    """Each input is redrawn alone: where eager hardly moves, a comparison would pass anything."""
    margins = {name: _margin(case, name) for name in case.spec}
    blind = [name for name, felt in margins.items() if felt is not None and felt < BLIND]
    lines = [f"{name}: {_said(felt)}" for name, felt in margins.items()]
    if blind:
        axes = sorted({axis.name for name in blind for axis in case.spec[name].axes()})
        names = " and ".join(blind)
        where = ", ".join(axes) or "it"
        reason = f"blind: eager hardly moves with {names}: comparisons along {where} and of its values prove little"
        return Finding.skipped("\n    ".join([reason, *lines]), notes=[reason])
    return Finding.passed("\n    ".join(lines))


def _said(felt: float | None) -> str:
    if felt is None:
        return "eager takes no other values"
    word = "felt" if felt >= FELT else "weak" if felt >= BLIND else "blind"
    return f"{word}, moves the output by {felt:.2g} times what is allowed"


def _margin(case: Case, name: str) -> float | None:
    best: float | None = None
    expected = case.eager(case.inputs)
    for draw in range(DRAWS):
        try:
            moved = case.eager(redraw(case.spec, case.inputs, name, case.settings.seed + 1 + draw))
        except Exception:
            continue
        felt = margin(
            moved,
            expected,
            precise=lambda: case.judge.precise(case.inputs),
            rtol=case.settings.rtol,
            atol=case.settings.atol,
        )
        best = felt if best is None else max(best, felt)
        if best >= FELT:
            break
    return best
