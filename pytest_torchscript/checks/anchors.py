"""The check `anchors`: which other anchors would have made a worse trace: the ones people really use. Never fails by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.needs import COMPARED, MOVES, OUTPUTS, REEXPORTS
from pytest_torchscript.checks.registry import check
from pytest_torchscript.inputs.draw import is_mask
from pytest_torchscript.lab.anchors import choose_anchor
from pytest_torchscript.lab.evidence import cause_lines
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.sizes import format_sizes
from pytest_torchscript.lab.trial import AGREES, DIFFERS
from pytest_torchscript.results import DIVERGES, FIXED, AnchorFinding

Anchor = tuple[dict[str, int], tuple[str, ...]]


@check("anchors", order=50, needs=(*COMPARED, OUTPUTS, MOVES, REEXPORTS))
def check_anchors(lab: Lab) -> Finding:
    """Which other anchors would have made a worse trace; never fails by itself.

    Traces at size 1, batch 1, without masks, at the model's own size and at awkward sizes; each is tried at the main anchor.
    """
    findings: list[AnchorFinding] = []
    tried = 0
    for sizes, without in other_anchors(lab):
        found = _findings_at(lab, sizes, without)
        if found is None:
            continue
        tried += 1
        findings.extend(found)
    lines = [f"{tried} other anchors tried"]
    for finding in findings:
        left_out = f" without {', '.join(finding.without)}" if finding.without else ""
        wrong = "is wrong" if finding.verdict == DIVERGES else "raises"
        lines.append(
            f"warning: {lab.made} at {format_sizes(finding.anchor)}{left_out} it {wrong} at other sizes of {finding.axis!r}"
        )
        lines += [f"    {line}" for line in cause_lines(finding.causes, 1)]
    return Finding.passed("\n    ".join(lines), anchor_findings=findings)


def other_anchors(lab: Lab) -> Iterator[Anchor]:
    """Yield sizes and the inputs left out, less the main anchor itself."""
    main = lab.sizes
    seen: list[Anchor] = [(dict(main), ())]
    for anchor in _people_use(lab):
        if anchor not in seen:
            seen.append(anchor)
            yield anchor


def _people_use(lab: Lab) -> Iterator[Anchor]:
    main, axes = lab.sizes, lab.spec.moving
    masks = tuple(name for name in lab.spec.optional if is_mask(lab.spec[name]))
    for name, axis in axes.items():
        yield {**main, name: axis.first}, ()
    batch_one = {**main, "batch": axes["batch"].first} if "batch" in axes else dict(main)
    if masks and len(masks) < len(lab.spec):
        yield batch_one, masks
        yield from (({**main, name: axis.first}, masks) for name, axis in axes.items() if name != "batch")
    typical = {
        name: axis.typical for name, axis in axes.items() if axis.typical is not None and axis.allows(axis.typical)
    }
    if typical:
        yield {**main, **typical}, ()
    elif len(axes) > 1:
        yield {name: axes[name].first if name in axes else size for name, size in main.items()}, ()
    awkward = _awkward(lab)
    if awkward is not None:
        yield awkward, ()


def _awkward(lab: Lab) -> dict[str, int] | None:
    """Return prime sizes where the main anchor was given by the user, in an option or by examples."""
    if not lab.settings.anchor and not lab.subject.example_sizes:
        return None
    try:
        return choose_anchor(lab.spec, lab.subject.refusal, avoid=lab.subject.numbers)
    except Exception:
        return None


def _findings_at(lab: Lab, sizes: dict[str, int], without: tuple[str, ...]) -> list[AnchorFinding] | None:
    """Return what a trace at this anchor gets wrong; None where eager or the tracer does not take it."""
    left = lab.spec.without(*without)
    other = lab.variant(spec=left, anchor={name: size for name, size in sizes.items() if name in left.axes})
    if other.subject.refusal(other.sizes):
        return None
    try:
        other.export.artifact  # noqa: B018 - exporting is the question
    except Exception:
        return None
    return [
        _finding(other, targets, without)
        for targets in _targets(lab, other)
        if other.bench.at(targets).fails
        and all(_main_is_right(lab, there) for there in (lab.sizes, other.sizes, targets))
        and not other.bench.at(other.sizes).fails
    ]


def _main_is_right(lab: Lab, sizes: Mapping[str, int]) -> bool:
    """Whether the main artifact does better there: what it gets wrong itself is told by the test of the axis."""
    return lab.bench.at(sizes).status == AGREES


def _targets(lab: Lab, other: Lab) -> Iterator[Mapping[str, int]]:
    """Yield this anchor with one axis at a time moved to the main anchor's size, or past it where it stands there."""
    for name, axis in other.spec.moving.items():
        size = lab.sizes[name] if lab.sizes[name] != other.sizes[name] else axis.neighbour(lab.sizes[name])
        if size != other.sizes[name]:
            yield {**other.sizes, name: size}


def _finding(other: Lab, targets: Mapping[str, int], without: tuple[str, ...]) -> AnchorFinding:
    axis = next(name for name, size in targets.items() if size != other.sizes[name])
    verdict = DIVERGES if other.bench.at(targets).status == DIFFERS else FIXED
    return AnchorFinding(dict(other.sizes), list(without), axis, verdict, other.evidence.causes_at(axis, targets))
