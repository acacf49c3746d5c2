"""Lines that make a trace wrong on its own example are named; a model that does the same in both runs has none."""

from __future__ import annotations

from pathlib import Path

import planted
import planted_unlike
import pytest
import torch
from planted_unlike import ALIKE, UNLIKE, Model, halved, marked_lines
from torch import nn

from pytest_torchscript.common import jit
from pytest_torchscript.common.silence import quiet
from pytest_torchscript.tracing.trace import trace_module
from pytest_torchscript.tracing.unlike_eager import MOST_LINES, unlike_eager

EXAMPLE = (torch.rand(2, 7, 4, generator=torch.Generator().manual_seed(3)),)
OTHER = (torch.rand(2, 7, 4, generator=torch.Generator().manual_seed(5)),)


def test_the_marked_models_are_wrong_and_the_others_right() -> None:
    wrong = {name for name, forward in {**UNLIKE, **ALIKE}.items() if not agrees(Model(forward).eval())}
    assert wrong == set(UNLIKE)


def agrees(module: nn.Module) -> bool:
    with quiet():
        traced = jit.trace(module, EXAMPLE)
    with torch.no_grad(), torch.random.fork_rng():
        for example in (EXAMPLE, OTHER):
            answers = []
            for run in (traced, module):
                torch.manual_seed(0)
                answers.append(run(example[0].clone()))
            left, right = answers
            rounding = 20 * torch.finfo(right.dtype).eps
            if left.shape != right.shape or not torch.allclose(left, right, rounding, rounding):
                return False
    return True


@pytest.mark.parametrize("name", UNLIKE)
def test_the_line_is_named_and_nothing_else(name: str) -> None:
    causes = unlike_eager(Model(UNLIKE[name]).eval(), EXAMPLE).causes
    allowed = marked_lines(UNLIKE[name])
    if name == "size_changed_in_a_function":
        allowed.add(halved.__code__.co_firstlineno + 1)
    assert causes
    assert {(cause.file, cause.line) for cause in causes} <= {(planted_unlike.__file__, line) for line in allowed}
    assert causes[0].line == min(allowed) or name == "size_changed_in_a_function"


def test_a_change_that_is_not_seen_is_told_apart_from_another_way() -> None:
    swapped = unlike_eager(Model(UNLIKE["data_swapped"]).eval(), EXAMPLE)
    asked = unlike_eager(Model(UNLIKE["asks_whether_it_is_traced"]).eval(), EXAMPLE)
    assert [bool(found) for found in (swapped.unseen, swapped.otherwise)] == [True, False]
    assert [bool(found) for found in (asked.unseen, asked.otherwise)] == [False, True]


@pytest.mark.parametrize("name", ALIKE)
def test_a_model_that_does_the_same_has_no_line(name: str) -> None:
    assert unlike_eager(Model(ALIKE[name]).eval(), EXAMPLE).causes == []


#: No two runs of these are alike.
NEVER_ALIKE = {"counts_its_calls", "draws_in_python"}


@pytest.mark.parametrize("name", sorted({*planted.FROZEN, *planted.SOUND} - NEVER_ALIKE))
def test_a_frozen_size_is_right_at_its_own(name: str) -> None:
    forward = planted.SOUND.get(name) or planted.FROZEN[name][0]
    assert unlike_eager(planted.Planted(forward).eval(), EXAMPLE).causes == []


@pytest.mark.parametrize(
    ("name", "evidence"),
    [
        ("data_swapped", "the data of a tensor is swapped here, which no trace records"),
        ("data_scaled", "a tensor is changed here by way of its .data, which no trace records"),
        ("numpy_writes", "its memory is written here outside torch, which no trace records"),
        (
            "size_shared_by_two_names",
            "7 became 3 in place, under every name that holds it: under the tracer a size is a",
        ),
        ("size_not_in_a_dictionary", "1.5 in eager, 1.0 under the tracer"),
        ("asks_whether_it_is_traced", "1 call of torch in eager alone"),
        ("single_precision", "0.3779644730"),
    ],
)
def test_evidence_says_what_happened(name: str, evidence: str) -> None:
    assert unlike_eager(Model(UNLIKE[name]).eval(), EXAMPLE).causes[0].evidence.startswith(evidence)


def raises_under_the_tracer(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    time = x.shape[1]
    padding = time
    padding %= 4
    return nn.functional.pad(x, (0, 0, 0, padding)).view(x.shape[0], time + padding, 4)


def test_a_trace_that_raises_is_compared_up_to_there() -> None:
    first = raises_under_the_tracer.__code__.co_firstlineno
    with pytest.raises(RuntimeError):
        trace_module(Model(raises_under_the_tracer), EXAMPLE)
    causes = unlike_eager(Model(raises_under_the_tracer).eval(), EXAMPLE).causes
    assert [cause.line - first for cause in causes] == [3, 4]
    assert causes[1].evidence == "10 in eager, 6 under the tracer"


def many(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    x = x * 1 if torch.jit.is_tracing() else x * 2
    x = x * 1 if torch.jit.is_tracing() else x * 2
    x = x * 1 if torch.jit.is_tracing() else x * 2
    return x * 1 if torch.jit.is_tracing() else x * 2


def test_a_list_of_lines_stays_readable() -> None:
    causes = unlike_eager(Model(many), EXAMPLE).causes
    assert [cause.evidence for cause in causes] == ["2 in eager, 1 under the tracer"] * MOST_LINES


def test_the_module_itself_is_left_as_it_was() -> None:
    module = Model(UNLIKE["buffer_swapped"]).eval()
    unlike_eager(module, EXAMPLE)
    assert not module.mean.any()


def test_tensors_that_show_no_bytes_are_let_through() -> None:
    def sparse(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return torch.sparse.mm(x[0].to_sparse(), x[0].T) + x.to(torch.bfloat16).mul_(2).float().sum()

    assert unlike_eager(Model(sparse), EXAMPLE).causes == []
    assert Path(planted_unlike.__file__).is_file()
