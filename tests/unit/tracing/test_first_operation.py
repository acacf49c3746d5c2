"""The first operation that goes wrong after a trace was changed."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from pytest_torchscript.common.silence import quiet
from pytest_torchscript.tracing.first_operation import first_operation
from tests.toys import ChainedAddmm

EXAMPLE = (torch.rand(4, 4), torch.rand(6, 4))
LINE = ChainedAddmm.BREAKS


def frozen_raises(traced: Any) -> str:
    try:
        with torch.no_grad(), quiet():
            torch.jit.freeze(traced.eval())(*EXAMPLE)
    except RuntimeError as error:
        return str(error).strip().splitlines()[0]
    return ""


def test_the_call_that_breaks_is_named() -> None:
    cause = first_operation(ChainedAddmm().eval(), EXAMPLE, frozen_raises)
    assert cause is not None
    assert (cause.line, cause.function) == (LINE, "forward")
    assert cause.evidence.startswith("addmm: The size of tensor a (6) must match the size of tensor b (4)")


def test_each_call_can_be_the_first() -> None:
    lines = []
    for wanted in range(5):
        asked: list[Any] = []

        def wrong(traced: Any, wanted: int = wanted, asked: list[Any] = asked) -> str:
            asked.append(traced)
            kinds = [node.kind() for node in traced.inlined_graph.nodes()]
            made = sum(kind in ("aten::sin", "aten::addmm", "aten::cos", "aten::mul") for kind in kinds)
            return f"{made} operations" if made > wanted else ""

        cause = first_operation(ChainedAddmm().eval(), EXAMPLE, wrong)
        lines.append(cause and (cause.line - LINE, cause.evidence))
        assert len(asked) <= 4
    assert lines == [
        (-2, "sin: 1 operations"),
        (-1, "addmm: 2 operations"),
        (0, "addmm: 3 operations"),
        (1, "cos: 4 operations"),
        (1, "mul: 5 operations"),
    ]


def test_nothing_is_named_where_nothing_is_wrong_or_nothing_can_be_traced() -> None:
    class Raises(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("not under the tracer")

    assert first_operation(ChainedAddmm().eval(), EXAMPLE, lambda traced: "") is None
    assert first_operation(Raises(), EXAMPLE, lambda traced: "wrong") is None
    assert first_operation(nn.Identity(), EXAMPLE[:1], lambda traced: "wrong") is None


def test_a_model_that_catches_everything_is_ended_all_the_same() -> None:
    class Catches(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            try:
                x = x + 1
            except Exception:
                x = x + 2
            return x * 3

    cause = first_operation(Catches(), EXAMPLE[:1], lambda traced: "wrong")
    assert cause is not None
    assert cause.source == "x = x + 1"
