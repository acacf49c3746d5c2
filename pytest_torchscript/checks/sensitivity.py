"""The check `sensitivity`: each input is felt, so that an export that ignores one cannot pass."""

from __future__ import annotations

from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import ARTIFACT, FINITE, READY, STEADY, WEIGHTS
from pytest_torchscript.checks.registry import check
from pytest_torchscript.compare.compare import margin
from pytest_torchscript.inputs.examples import ALONE, is_kept
from pytest_torchscript.inputs.values import redraw
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.subject import FRESH

#: Margins of the sensitivity rule: at least so many times what a comparison allows.
FELT, BLIND = 100.0, 10.0
DRAWS = 3


@check("sensitivity", order=80, needs=(READY, WEIGHTS, STEADY, FINITE, ARTIFACT))
def check_sensitivity(lab: Lab) -> Finding:
    """Each input is felt, so that an export that ignores one cannot pass.

    Each is redrawn alone: where eager hardly moves, a comparison would pass anything.
    """
    kept = [name for name in lab.spec if is_kept(lab.spec, name)]
    if len(kept) == len(lab.spec):
        return Finding.skipped(ALONE)
    margins = {name: _margin(lab, name) for name in lab.spec if name not in kept}
    blind = [name for name, felt in margins.items() if felt is not None and felt < BLIND]
    lines = [f"{name}: {_said(felt)}" for name, felt in margins.items()]
    lines += [f"{name}: its example alone is used" for name in kept]
    if blind:
        axes = sorted({axis.name for name in blind for axis in lab.spec[name].axes()})
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


def _margin(lab: Lab, name: str) -> float | None:
    best: float | None = None
    expected = lab.subject.answer
    for draw in range(DRAWS):
        try:
            moved = lab.subject.eager(redraw(lab.spec, lab.subject.inputs, name, lab.settings.seed + FRESH + draw))
        except Exception:
            continue
        felt = margin(
            moved,
            expected,
            precise=lambda: lab.bench.judge.precise(lab.subject.inputs),
            rtol=lab.settings.rtol,
            atol=lab.settings.atol,
        )
        best = felt if best is None else max(best, felt)
        if best >= FELT:
            break
    return best
