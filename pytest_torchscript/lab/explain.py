"""Why a line was named: the comparison of traces behind it, told step by step."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_torchscript.common.silence import quiet
from pytest_torchscript.errors import InputError, OptionError, first_line
from pytest_torchscript.lab.lab import Lab
from pytest_torchscript.lab.plan import check_names, make_plan
from pytest_torchscript.lab.sizes import format_sizes
from pytest_torchscript.settings import Settings
from pytest_torchscript.spec import Axis, unknown_axis
from pytest_torchscript.tracing.baked import compare_traces
from pytest_torchscript.tracing.explain import explain_trace, named_lines
from pytest_torchscript.tracing.trace import Trace


@quiet()
def explain_axis(reference: str, axis: str, settings: Settings, *, size: int | None = None) -> str:
    """Return as text how the lines that freeze an axis of a model are found: traced at its anchor, there once more, and
    with the axis moved to `size`; by default to sizes near the anchor's, up to the first where the graphs differ.

    Raises OptionError for an axis that the model has not or that cannot be moved there, InputError where a trace cannot
    be made, and what resolving a reference raises.
    """
    plan = make_plan(reference, settings)
    if axis not in plan.spec.axes:
        raise unknown_axis(axis, plan.spec.axes)
    check_names([plan.outline], settings)
    lab = plan.load()
    here, moving = lab.sizes[axis], plan.spec.axes[axis]
    if size is not None and (size == here or size < 1 or not moving.allows(size)):
        reason = "is the anchor's own size" if size == here else f"is none of its sizes: {_sizes_of(moving)}"
        raise OptionError(f"axis {axis!r} cannot be moved to {size}: that {reason}", hint="give another --size")
    wanted = _near(moving, here) if size is None else [size]
    if not wanted:
        raise OptionError(f"axis {axis!r} cannot be moved: {here} is its only size", hint="name another axis")
    left = _trace(lab, reference, lab.sizes)
    lines = [f"{reference}, axis {axis!r}: traced at {format_sizes(lab.sizes)}, and there once more"]
    for moved in wanted:
        found = compare_traces(left, _trace(lab, reference, {**lab.sizes, axis: moved}), sizes=(here, moved))
        lines += ["", f"moved to {axis}={moved}", *explain_trace(found)]
        if found.causes:
            return "\n".join(lines)
    others = named_lines("what the model does otherwise under the tracer, at any size", lab.evidence.unlike.causes)
    others += named_lines("lines that the tracer warned of", lab.evidence.warned())
    further = "" if size is not None else "; graphs may part further away: give the size that fails with --size"
    return "\n".join([*lines, "", f"no difference of graphs names a line{further}", *others])


def _sizes_of(axis: Axis) -> str:
    if axis.sizes:
        return ", ".join(str(size) for size in axis.sizes)
    return f"{axis.min} to {axis.max}" + (f" in steps of {axis.multiple_of}" if axis.multiple_of > 1 else "")


def _near(axis: Axis, here: int) -> list[int]:
    """Return sizes to move to: the neighbour that checks move to first, and the nearest ones, odd and even."""
    steps = (axis.neighbour(here), here + axis.multiple_of, here - axis.multiple_of)
    return [size for size in dict.fromkeys(steps) if size != here and size > 0 and axis.allows(size)]


def _trace(lab: Lab, reference: str, sizes: Mapping[str, int]) -> Trace:
    try:
        return lab.evidence.trace(lab.subject.draw(sizes))
    except Exception as error:
        raise InputError(
            f"{reference} cannot be traced at {format_sizes(sizes)}",
            evidence=[
                first_line(error),
                *named_lines("what it does otherwise under the tracer", lab.evidence.unlike.causes),
            ],
            hint="give sizes that it takes with --anchor and --size; test_trace of the suite says more",
        ) from error
