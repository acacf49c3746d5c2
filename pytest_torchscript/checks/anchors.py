"""The check `anchors`: which other anchors would have made a worse trace: the ones people really use. Never fails by itself."""

from __future__ import annotations

import contextlib
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
from pytest_torchscript.results import DIVERGES, FIXED, AnchorFinding, Cause

Anchor = tuple[dict[str, int], tuple[str, ...]]


@check("anchors", order=50, needs=(*COMPARED, OUTPUTS, MOVES, REEXPORTS))
def check_anchors(lab: Lab) -> Finding:
    """Which other anchors would have made a worse trace; never fails by itself.

    Traces at size 1, batch 1, without masks, at the model's own size and at awkward sizes; each is tried at the main anchor.
    """
    findings: list[AnchorFinding] = []
    known: dict[tuple[str, int, int], list[Cause]] = {}
    programs = [lab.sizes]
    tried = same = 0
    for sizes, without in other_anchors(lab):
        if not without:
            program = _traced_alike(lab, sizes)
            if program in programs:
                same += 1
                continue
            programs.append(program)
        left = lab.spec.without(*without)
        other = lab.variant(spec=left, anchor={name: size for name, size in sizes.items() if name in left.axes})
        if not lab.backend.traits.torchscript and other.subject.refusal(other.sizes):
            continue  # asked before an export that takes long; the tracer calls eager itself
        try:
            other.export.artifact  # noqa: B018 - exporting is the question
        except Exception:
            continue
        tried += 1
        findings.extend(_wrong_at(lab, other, without, known))
    lines = [f"{tried} other anchors tried" + (f", {same} known to give the same trace" if same else "")]
    for finding in findings:
        left_out = f" without {', '.join(finding.without)}" if finding.without else ""
        wrong = "is wrong" if finding.verdict == DIVERGES else "raises"
        lines.append(
            f"warning: {lab.made} at {format_sizes(finding.anchor)}{left_out} it {wrong} at other sizes of {finding.axis!r}"
        )
        lines += [f"    {line}" for line in cause_lines(finding.causes, 1)]
    return Finding.passed("\n    ".join(lines), anchor_findings=findings)


def other_anchors(lab: Lab) -> Iterator[Anchor]:
    """Yield the anchors that people use, sizes and the inputs left out, each once and less the main one."""
    main, axes = lab.sizes, lab.spec.moving
    masks = tuple(name for name in lab.spec.optional if is_mask(lab.spec[name]))
    used: list[Anchor] = [({**main, name: axis.first}, ()) for name, axis in axes.items()]
    if masks and len(masks) < len(lab.spec):
        used.append(({**main, "batch": axes["batch"].first} if "batch" in axes else dict(main), masks))
        used += [({**main, name: axis.first}, masks) for name, axis in axes.items() if name != "batch"]
    typical = {
        name: axis.typical for name, axis in axes.items() if axis.typical is not None and axis.allows(axis.typical)
    }
    if typical:
        used.append(({**main, **typical}, ()))
    elif len(axes) > 1:
        used.append(({name: axes[name].first if name in axes else size for name, size in main.items()}, ()))
    if lab.settings.anchor or lab.subject.example_sizes:  # prime sizes, where the main anchor is the user's
        with contextlib.suppress(Exception):
            used.append((choose_anchor(lab.spec, lab.subject.refusal, avoid=lab.subject.numbers), ()))
    seen: list[Anchor] = [(dict(main), ())]
    for anchor in used:
        if anchor not in seen:
            seen.append(anchor)
            yield anchor


def _traced_alike(lab: Lab, sizes: Mapping[str, int]) -> dict[str, int]:
    """Return the sizes nearest to the main anchor that are known to give the same trace as these."""
    main, suspect = lab.sizes, lab.evidence.suspect_axis
    moved = {name: size for name, size in sizes.items() if size != main[name]}
    return {**main, **{name: size for name, size in moved.items() if not suspect(name).same_program(main[name], size)}}


def _wrong_at(
    lab: Lab, other: Lab, without: tuple[str, ...], known: dict[tuple[str, int, int], list[Cause]]
) -> Iterator[AnchorFinding]:
    """Yield what an export at another anchor gets wrong with one axis moved to the main anchor's size, or past it.

    All axes are moved at once first: each is asked for only where that fails. Only where the main export is right: what it
    gets wrong itself is told by the test of the axis. ``known`` has the lines that froze an axis at one size where it moves to
    another: other anchors of that size have it from the same lines.
    """
    main, here = lab.sizes, other.sizes
    moves = {
        name: main[name] if main[name] != here[name] else axis.neighbour(main[name])
        for name, axis in other.spec.moving.items()
    }
    if other.bench.met({**here, **moves}).status == AGREES:
        return
    for name, size in moves.items():
        moved = {**here, name: size}
        if moved == here or not (trial := other.bench.met(moved)).fails:
            continue
        if other.bench.at(here).fails or any(lab.bench.at(sizes).status != AGREES for sizes in (main, here, moved)):
            continue
        move = (name, here[name], size)
        causes = known.get(move) or other.evidence.causes_at(name, moved)
        known[move] = causes
        if (lab.bench.wrong_values is not None or not causes) and not other.bench.at(moved).fails:
            continue  # its values are to blame; where the main export takes all values, a line that froze the size is enough
        yield AnchorFinding(dict(here), list(without), name, DIVERGES if trial.status == DIFFERS else FIXED, causes)
