"""Every step of a comparison of traces is told, and those that found nothing are left out."""

from __future__ import annotations

import pytest
import torch
from planted import FROZEN, SOUND, Planted
from torch import nn

from pytest_torchscript.results import Cause
from pytest_torchscript.tracing.baked import compare_traces
from pytest_torchscript.tracing.explain import MOST_SHOWN, explain_trace, named_lines
from pytest_torchscript.tracing.trace import trace_module


def explained(module: nn.Module, moved: int = 11) -> list[str]:
    traces = [trace_module(module, (torch.ones(2, time, 4),)) for time in (7, moved)]
    return explain_trace(compare_traces(*traces, sizes=(7, moved)))


def titles(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith(" ")]


def test_a_number_written_into_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = explained(Planted(FROZEN["read_here_used_there"][0]))
    assert titles(lines) == [
        "graphs: 3 operations that the answer depends on, then 3; 3 correspond",
        "differences: operations that correspond, given something else",
        "reads: what Python read otherwise",
        "scores",
        "named",
    ]
    text = "\n".join(lines)
    assert "    aten::reshape, argument 1.1: 7 became 11\n        at " in text
    assert "    __int__: 7 became 11\n        at " in text
    assert "    105  " in text  # the read: warned of, and written further on
    assert "        +60 a number written into the graph, +40 it is the size itself, -15 the number is read here" in text
    assert text.rstrip().endswith("return x.reshape(x.shape[0], length, 2, 2)  # frozen")


def test_operations_that_one_trace_alone_has() -> None:
    lines = explained(Planted(FROZEN["branch"][0]))
    assert lines[0].endswith("then 3 (0 gone, 2 new); 1 correspond")
    assert "forks: what decided on operations that one trace alone has" in lines
    assert "    False became True, 2 nodes more (aten::add, aten::mul)" in lines
    assert any(
        "+65 operations that one trace alone has, +10 Python read something else there" in line for line in lines
    )


def counts_and_freezes(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    x = x + next(self.calls)
    return x / float(x.shape[1])


class Stubborn(Planted):
    """Goes on counting from trace to trace."""

    def __deepcopy__(self, memo: object) -> Stubborn:
        return self


def test_noise_is_told_apart() -> None:
    lines = explained(Stubborn(counts_and_freezes))
    noise = lines.index("noise: differences that the two equal traces have too")
    assert lines[noise + 1].startswith("    aten::add, argument 1: 0 became 1")
    assert sum("aten::add" in line for line in lines) == 1


def test_equal_graphs_have_one_line() -> None:
    assert titles(explained(Planted(SOUND["tensors_all_the_way"]))) == explained(Planted(SOUND["tensors_all_the_way"]))


def test_a_long_step_is_cut() -> None:
    causes = [Cause("model.py", line, "forward", "x", "7 became 11") for line in range(1, MOST_SHOWN + 4)]
    lines = named_lines("named", causes)
    assert lines[-1] == "    … and 3 more"
    assert lines[:3] == ["named", "    model.py:1 in forward: 7 became 11", "        x"]
    assert named_lines("named", []) == []


def test_what_is_returned_and_code_without_lines_are_told(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "def hidden(self, x):\n    return x / float(x.shape[1])"
    scope: dict[str, object] = {}
    exec(compile(source, nn.modules.module.__file__, "exec"), scope)

    class Hidden(nn.Module):
        forward = scope["hidden"]

    lines = explained(Hidden())
    assert "    100  line not known: 7.0 became 11.0" in lines
