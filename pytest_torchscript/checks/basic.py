"""The first questions: does it trace, is eager itself steady, do fresh inputs at the anchor agree, do all axes at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from pytest_torchscript.checks.case import Case
from pytest_torchscript.checks.causes import advice, cause_lines, causes_at, explain_values, place_lines
from pytest_torchscript.checks.draw import draw_sizes, examples_wanted
from pytest_torchscript.checks.finding import Finding
from pytest_torchscript.checks.judge import DIFFERS, RAISES, REFUSED, UNDECIDABLE, Trial
from pytest_torchscript.checks.sizes import format_sizes, smallest_failing, volume, within
from pytest_torchscript.compare.messages import describe
from pytest_torchscript.errors import Error, first_line
from pytest_torchscript.models.randomness import active_dropout
from pytest_torchscript.outputs import tensor_leaves
from pytest_torchscript.spec import Axis


def check_trace(case: Case) -> Finding:
    """It traces; lines where Python read a tensor are listed, and prove nothing by themselves."""
    from pytest_torchscript.checks.signature import signature_of

    try:
        case.artifact  # noqa: B018 - exporting is the question
    except Error as error:
        return Finding.failed(error.message, error.evidence, error.hint)
    except Exception as error:
        return Finding.failed(
            f"{case.backend.name} cannot export it at {format_sizes(case.sizes)}",
            [first_line(error), *_place(error)],
            "see the exception: a Python autograd.Function, a cache object or data-dependent control flow is the usual cause",
        )
    notes = sorted({f"{note.file}:{note.line}: {note.text.split('. ')[0]}" for note in case.anchor_trace.warnings})
    lines = [f"traced at {format_sizes(case.sizes)}"]
    lines += [f"{len(notes)} lines read a tensor in Python; alone that proves nothing"] if notes else []
    return Finding.passed(
        "\n    ".join([*lines, *notes[:8]]), signature=signature_of(case), device=dict(case.artifact.details) or None
    )


def _place(error: BaseException) -> list[str]:
    """Return the innermost line of the model's own code that raised."""
    import traceback

    own = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_library(frame.filename)]
    return [f"at {frame.filename}:{frame.lineno} in {frame.name}: {frame.line}" for frame in own[-1:]]


def _is_library(path: str) -> bool:
    parts = path.replace("\\", "/").split("/")
    return "pytest_torchscript" in parts or "torch" in parts or path.startswith("<")


def steadiness(case: Case) -> Finding:
    """Say whether eager agrees with itself under one seed, on one copy called twice, and on two copies."""
    inputs, seed = case.inputs, case.settings.seed
    copy = case.eager.copy()
    first = _flat(case.eager.run(copy, inputs))
    if not _same(first, _flat(case.eager.run(copy, inputs))):
        fresh = [_flat(case.eager.run(case.eager.copy(), inputs)) for _ in range(2)]
        kept = _same(fresh[0], fresh[1])
        return _unsteady(
            "it keeps state between calls" if kept else "it draws random numbers that no torch seed governs"
        )
    if not _same(first, _flat(case.eager.run(copy, inputs, seed=seed + 1))):
        dropout = active_dropout(lambda: case.eager.run(case.eager.copy(), inputs))
        if dropout:
            return _unsteady(f"dropout is left on in eval mode: {dropout}")
        return Finding.passed("it draws random numbers; every comparison is made under one seed")
    return Finding.passed()


def _unsteady(reason: str) -> Finding:
    return Finding.failed(
        f"not deterministic: {reason}",
        ["eager called twice with the same inputs and the same seed gives two answers, or would in eval mode"],
        "call model.eval(), pass training=self.training to dropout, and keep no state between calls",
    )


def _flat(output: Any) -> list[torch.Tensor]:
    return [leaf.detach().clone() for _, leaf in tensor_leaves(output)]


def _same(left: list[torch.Tensor], right: list[torch.Tensor]) -> bool:
    if len(left) != len(right) or any(a.shape != b.shape for a, b in zip(left, right)):
        return False
    if any(leaf.is_meta for leaf in left):
        return True
    return all(
        torch.allclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=True) if a.is_floating_point() else bool((a == b).all())
        for a, b in zip(left, right)
    )


def check_determinism(case: Case) -> Finding:
    """Eager agrees with itself; a model that draws random numbers under a seed passes with a note."""
    return case.steadiness


def check_outputs(case: Case) -> Finding:
    """Fresh inputs at the anchor, three calls in a row: the profiling executor changes the code on the second."""
    inputs = case.make(case.sizes, seed=case.settings.seed + 1)
    expected = None
    for call in range(3):
        if call == 1:
            expected = case.eager(inputs)
        trial = case.judge.against(expected, case.artifact, inputs) if call else case.try_sizes(case.sizes)
        if trial.fails:
            causes = explain_values(case, inputs)
            return Finding.failed(
                f"outputs differ at the anchor itself, {format_sizes(case.sizes)}, call {call + 1} of 3",
                [*lines_of(trial), *place_lines(case, causes)],
                advice(
                    case, causes, "the trace kept a value of its example, or eager and traced take different branches"
                ),
            )
        if trial.status == UNDECIDABLE:
            return undecidable(trial)
        if trial.status == REFUSED:
            return Finding.failed(
                "eager refuses fresh inputs at its own anchor", [trial.error], "declare the range of its values"
            )
    return Finding.passed(f"three calls at {format_sizes(case.sizes)}", signature=None)


def undecidable(trial: Trial) -> Finding:
    """Skip where eager's own rounding noise would let any answer pass."""
    return Finding.skipped("undecidable: " + "; ".join(lines_of(trial)))


def lines_of(trial: Trial) -> list[str]:
    """Return the evidence of one trial."""
    return describe(trial.comparison) if trial.comparison is not None else trial.error.splitlines()


#: Joint sizes whose product stays below this are never cut: no forward pass at such sizes is dear.
CHEAP_VOLUME = 1024


def check_joint(case: Case) -> Finding:
    """All axes at once: their lower corner, and what hypothesis draws.

    An axis that is wrong when it moves alone is told by its own test: here it stays at the anchor.
    """
    held: list[str] = []
    while True:
        axes = {name: axis for name, axis in case.spec.moving.items() if name not in held}
        if len(axes) < 2:
            beside = f" beside {', '.join(held)}, wrong when moved alone: see its test_axis" if held else ""
            return Finding.skipped(f"fewer than two axes move{beside}")
        joint, tried = _first_joint_failure(case, axes)
        if joint is None:
            break
        alone = _wrong_alone(case, joint)
        if not alone:
            return _joint_failure(case, joint)
        held += alone
    if not tried:
        return Finding.skipped("eager takes none of the joint sizes drawn")
    return Finding.passed(f"{tried} joint sizes of {', '.join(axes)}")


def _first_joint_failure(case: Case, axes: Mapping[str, Axis]) -> tuple[dict[str, int] | None, int]:
    """Return the first joint sizes that fail, and how many eager took before."""
    smallest = {name: axis.first for name, axis in axes.items()}
    largest = {name: axis.last for name, axis in axes.items()}
    # What the widest axis costs with one row: its own test goes no further either, and memory has an end.
    limit = max(*(volume({**case.sizes, **smallest, name: size}) for name, size in largest.items()), CHEAP_VOLUME)
    tried = 0
    for sizes in [smallest, largest, *draw_sizes(axes, examples_wanted(case.settings) - 1, case.settings.seed)]:
        joint = within(limit, {**case.sizes, **sizes}, axes)
        trial = case.try_sizes(joint)
        if trial.fails:
            return joint, tried
        tried += trial.status != REFUSED
    return None, tried


def _wrong_alone(case: Case, joint: Mapping[str, int]) -> list[str]:
    return [name for name, size in joint.items() if case.try_sizes({**case.sizes, name: size}).fails]


def _joint_failure(case: Case, joint: Mapping[str, int]) -> Finding:
    status = case.try_sizes(joint).status
    smallest = smallest_failing(joint, lambda sizes: case.try_sizes(sizes).status == status, case.spec.moving)
    moved = next((name for name in smallest if smallest[name] != case.sizes[name]), next(iter(smallest)))
    verb = {DIFFERS: "wrong", RAISES: "raises"}[status]
    return Finding.failed(
        f"all axes at once: traced at {format_sizes(case.sizes)}, {verb} at {format_sizes(smallest)}",
        [*lines_of(case.try_sizes(smallest)), *cause_lines(causes_at(case, moved, smallest))],
        "see the test of each axis; declare the axes that are meant to be fixed with --torchscript-axis NAME=SIZE",
    )
