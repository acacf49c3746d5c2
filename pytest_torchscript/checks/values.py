"""Other values at the same sizes, inputs left out, and whether an input is felt at all."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from pytest_torchscript.checks.basic import lines_of
from pytest_torchscript.checks.case import Case
from pytest_torchscript.checks.causes import cause_lines, explain_values
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.judge import AGREES, DIFFERS, UNDECIDABLE, Tensors, Trial
from pytest_torchscript.compare.compare import margin
from pytest_torchscript.inputs.real import real_inputs
from pytest_torchscript.inputs.values import redraw, variations
from pytest_torchscript.results import DIVERGES, DYNAMIC, FIXED, ValuesResult

#: Margins of the sensitivity rule: at least so many times what a comparison allows.
FELT, BLIND = 100.0, 10.0
DRAWS = 3


def check_values(case: Case) -> Finding:
    """Masks, edge values, zeros, magnitudes, real inputs; then every optional input left out, in a trace of its own."""
    agreed, undecided = 0, 0
    for name, inputs in _all_values(case):
        trial = case.judge.trial(case.artifact, inputs)
        if trial.fails:
            return _values_failure(case, name, inputs, trial)
        agreed += trial.status == AGREES
        undecided += trial.status == UNDECIDABLE
    for left_out in _left_out(case):
        trial = _trial_without(case, left_out)
        if trial.fails:
            names = ", ".join(left_out)
            result = ValuesResult(DIVERGES if trial.status == DIFFERS else FIXED, {"without": list(left_out)})
            return Finding.failed(
                f"left out {names}: a trace without it does not answer as eager without it",
                lines_of(trial),
                "give the input in every call, or make its default with tensor operations",
                values=result,
            )
        agreed += trial.status == AGREES
    if not agreed:
        reason = (
            "undecidable: eager's own rounding noise hides any answer" if undecided else "eager takes no other values"
        )
        return Finding.skipped(reason)
    return Finding.passed(f"{agreed} sets of values", values=ValuesResult(DYNAMIC))


def _all_values(case: Case) -> Iterator[tuple[str, Tensors]]:
    yield from variations(case.spec, case.sizes, case.settings.seed)
    directory = case.loaded.blueprint.directory
    if directory is not None:
        yield from real_inputs(directory, case.spec, case.sizes)


def _left_out(case: Case) -> Iterator[tuple[str, ...]]:
    """Yield each optional input alone, then all of them; at least one input stays. Nothing of a file made elsewhere."""
    if case.settings.artifact is not None:
        return
    optional = [name for name in case.spec.optional if len(case.spec) > 1]
    yield from combinations(optional, 1)
    if 1 < len(optional) < len(case.spec):
        yield tuple(optional)


def _trial_without(case: Case, left_out: tuple[str, ...]) -> Trial:
    variant = case.variant(without=left_out)
    try:
        inputs = variant.make(case.sizes)
        variant.eager(inputs)
        artifact = variant.backend.export(variant.request(inputs))
    except Exception as error:  # eager wants the input, or such a trace cannot be made: nothing to compare
        return Trial("refused", str(error))
    return variant.judge.trial(artifact, variant.make(case.sizes, seed=case.settings.seed + 1))


def _values_failure(case: Case, name: str, inputs: Tensors, trial: Trial) -> Finding:
    causes = explain_values(case, inputs)
    verdict = DIVERGES if trial.status == DIFFERS else FIXED
    verb = "answers differently" if trial.status == DIFFERS else "raises"
    return Finding.failed(
        f"values: traced {verb} for other values at the same sizes: {name}",
        [*lines_of(trial), *(cause_lines(causes) or ["line not known: the graphs are equal and nothing warned"])],
        "a branch on values was frozen: use torch.where, or masks, instead of Python's if",
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
