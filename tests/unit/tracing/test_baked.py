"""Every planted line is named, first among the causes and with nothing else; sound models give no cause."""

from __future__ import annotations

import pytest
import torch
from planted import FROZEN, SOUND, Planted, marked_lines
from torch import nn

from pytest_torchscript.models.calling import Positional
from pytest_torchscript.results import Cause
from pytest_torchscript.tracing.baked import MOST_CAUSES, find_baked
from pytest_torchscript.tracing.trace import trace_module

ANCHOR = {"batch": 2, "time": 7}
MOVED = {"batch": 5, "time": 11}


def example(batch: int = 2, time: int = 7) -> tuple[torch.Tensor]:
    return (torch.rand(batch, time, 4, generator=torch.Generator().manual_seed(batch * time)),)


def causes_of(module: nn.Module, axis: str) -> list[Cause]:
    left = trace_module(module, example())
    moved = trace_module(module, example(**{**ANCHOR, axis: MOVED[axis]}))
    return find_baked(left, moved, sizes=(ANCHOR[axis], MOVED[axis]))


@pytest.mark.parametrize("name", FROZEN)
def test_the_frozen_line_is_named_and_nothing_else(name: str) -> None:
    forward, axis = FROZEN[name]
    causes = causes_of(Planted(forward), axis)
    assert causes
    assert {(cause.file, cause.line) for cause in causes} <= marked_lines(name)
    assert all(cause.source and cause.evidence and cause.function for cause in causes)
    assert not causes_of(Planted(forward), "batch" if axis == "time" else "time")


@pytest.mark.parametrize("name", ["two_statistics", "scale_by_numpy", "product_by_numpy"])
def test_a_number_is_named_where_it_is_read_and_where_it_is_used(name: str) -> None:
    forward, axis = FROZEN[name]
    assert {(cause.file, cause.line) for cause in causes_of(Planted(forward), axis)} == marked_lines(name)


@pytest.mark.parametrize("name", SOUND)
@pytest.mark.parametrize("axis", ANCHOR)
def test_a_sound_model_has_no_cause(name: str, axis: str) -> None:
    assert causes_of(Planted(SOUND[name]), axis) == []


@pytest.mark.parametrize(
    ("name", "evidence"),
    [
        ("float_mean", "7.0 became 11.0"),
        ("stride", "28 became 44"),
        ("branch", "False became True, 2 nodes more"),
        ("early_return", "False became True, 2 nodes fewer"),
        ("within_a_line", "False became True, 1 node became 1"),
        ("recurrence", "7 became 11, 16 nodes more"),
        ("list_of_positions", "constant of shape (7,) became (11,)"),
        ("split", "2 outputs became 3"),
        ("between_results", "False became True, so that another result is taken"),
        ("sorted_sizes", "False became True"),
        ("between_weights", "'layers.1.weight' became 'layers.0.weight'"),
    ],
)
def test_evidence_says_what_changed(name: str, evidence: str) -> None:
    forward, axis = FROZEN[name]
    assert causes_of(Planted(forward), axis)[0].evidence == evidence


def test_the_line_that_reads_a_size_is_named_beside_the_one_that_uses_it() -> None:
    read, used = causes_of(Planted(FROZEN["read_here_used_there"][0]), "time")  # the first is warned of
    assert read.line < used.line
    assert read.evidence == used.evidence == "7 became 11"


def many_defects(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    x = x / float(x.shape[1])
    x = x + float(x.shape[1])
    x = x * float(x.shape[1])
    x = x - float(x.shape[1])
    x = x / float(x.shape[1])
    x = x + float(x.shape[1])
    return x.contiguous() if x.shape[1] > 8 else x


def test_a_list_of_causes_stays_readable() -> None:
    causes = causes_of(Planted(many_defects), "time")
    assert len(causes) == MOST_CAUSES
    assert [cause.line for cause in causes] == sorted(cause.line for cause in causes)
    assert not any("contiguous" in cause.source for cause in causes)


def harmless_branch(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    if x.shape[1] > 8:
        x = x.contiguous()
    return x + 1


def test_a_branch_that_answers_alike_is_named_for_want_of_anything_else() -> None:
    (cause,) = causes_of(Planted(harmless_branch), "time")
    assert cause.source == "if x.shape[1] > 8:"


def counts_and_freezes(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    x = x + next(self.calls)
    return x / float(x.shape[1])


def test_noise_does_not_hide_a_frozen_size() -> None:
    """A model that cannot be copied keeps its state from trace to trace; the control shows which difference is that."""

    class Stubborn(Planted):
        def __deepcopy__(self, memo: object) -> Stubborn:
            raise TypeError("not copied")

    (cause,) = causes_of(Stubborn(counts_and_freezes), "time")
    assert cause.source == "return x / float(x.shape[1])"


def test_several_axes_may_move_at_once() -> None:
    module = Planted(FROZEN["float_mean"][0])
    left, moved = (trace_module(module, example(*sizes)) for sizes in ((2, 7), (5, 3)))
    (cause,) = find_baked(left, moved)
    assert cause.evidence == "7.0 became 3.0"


def generated(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    scope: dict[str, object] = {}
    exec("def scaled(x):\n    return x / float(x.shape[1])", scope)
    return scope["scaled"](x)  # type: ignore[operator]


def test_generated_code_has_no_line_and_says_so() -> None:
    (cause,) = causes_of(Planted(generated), "time")
    assert (cause.line, cause.source) == (0, "")
    assert str(cause).startswith("line not known: 7.0 became 11.0 (in generated code, called at ")


def test_code_without_sources_keeps_its_line_number() -> None:
    scope: dict[str, object] = {}
    exec(compile("def scaled(self, x):\n    return x / float(x.shape[1])", "/nowhere/model.py", "exec"), scope)
    (cause,) = causes_of(Planted(scope["scaled"]), "time")  # type: ignore[arg-type]
    assert (cause.file, cause.line, cause.source) == ("/nowhere/model.py", 2, "")
    assert cause.evidence == "7.0 became 11.0 (the source cannot be read)"


def test_a_model_of_torch_parts_names_torch_lines() -> None:
    class Sums(nn.Identity):
        pass

    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True).eval()
    assert causes_of(layer, "time") == []
    assert causes_of(Sums(), "time") == []


def returned_number(x: torch.Tensor) -> object:
    return x * 2, int(x.shape[1])  # frozen


def returned_list(x: torch.Tensor) -> object:
    lengths = (x[:, :, 0] > -1).sum(1).tolist()  # frozen
    return {"y": x * 2, "lengths": lengths}


def returned_item(x: torch.Tensor) -> object:
    total = torch.ones_like(x[0, :, 0]).sum().item()  # frozen
    y = x * 2
    return {"total": total, "y": y}


def returned_positions(x: torch.Tensor) -> object:
    positions = list(range(x.shape[1]))  # frozen
    return x * 2, positions


class Returns(nn.Module):
    def __init__(self, planted: object) -> None:
        super().__init__()
        self.planted = planted

    def forward(self, x: torch.Tensor) -> object:
        return self.planted(x)  # type: ignore[operator]


@pytest.mark.parametrize("planted", [returned_number, returned_list, returned_item, returned_positions])
def test_a_number_that_is_returned_is_named_where_it_was_read(planted: object) -> None:
    (cause,) = causes_of(Positional(Returns(planted), ("x",)), "time")
    assert cause.source.endswith("# frozen")
    assert "7" in cause.evidence
    assert "11" in cause.evidence


class Values(nn.Module):
    def __init__(self, planted: object) -> None:
        super().__init__()
        self.planted = planted

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.planted(x)  # type: ignore[operator]


def skips_a_full_mask(mask: torch.Tensor) -> torch.Tensor:
    if mask.all():
        return mask * 2
    return mask.cumsum(1)


def takes_an_item(mask: torch.Tensor) -> torch.Tensor:
    return mask / mask.max().item()


def cuts_by_a_list(mask: torch.Tensor) -> torch.Tensor:
    lengths = mask.long().sum(1).tolist()
    return torch.stack(
        [part.sum() for part in torch.split(mask.cumsum(1).repeat(1, 9)[0], [lengths[1], 45 - lengths[1]])]
    )


def cuts_by_a_number(mask: torch.Tensor) -> torch.Tensor:
    count = int(mask[1].sum())
    return mask[:, :count].cumsum(1)


def loops_for_as_many_as_the_largest(mask: torch.Tensor) -> torch.Tensor:
    count = int(mask.max()) + 1
    return torch.cat([mask.cumsum(1), torch.arange(count).repeat(2, 1)], 1)


def takes_data(mask: torch.Tensor) -> torch.Tensor:
    return mask.cumsum(1) / mask.data.sum()


def asks_numpy(mask: torch.Tensor) -> torch.Tensor:
    return mask * torch.from_numpy(mask.numpy().copy())


def visits_experts(mask: torch.Tensor) -> torch.Tensor:
    out = torch.zeros_like(mask)
    for expert in range(3):
        chosen = (mask == expert).nonzero()
        if chosen.numel() == 0:
            continue
        out = out + (mask == expert) * (expert + 1)
    return out


@pytest.mark.parametrize(
    ("planted", "line"),
    [
        (skips_a_full_mask, "if mask.all():"),
        (takes_an_item, "return mask / mask.max().item()"),
        (asks_numpy, "return mask * torch.from_numpy(mask.numpy().copy())"),
        (takes_data, "return mask.cumsum(1) / mask.data.sum()"),
        (visits_experts, "if chosen.numel() == 0:"),
        (cuts_by_a_list, "lengths = mask.long().sum(1).tolist()"),
        (cuts_by_a_number, "count = int(mask[1].sum())"),
        (loops_for_as_many_as_the_largest, "count = int(mask.max()) + 1"),
    ],
)
def test_a_frozen_value_is_named(planted: object, line: str) -> None:
    module = Values(planted)
    ones, others = torch.ones(2, 5), torch.tensor([[1.0, 2, 2, 0, 0], [1, 1, 0, 0, 0]])
    left, other = (trace_module(module, (tensor,)) for tensor in (ones, others))
    causes = find_baked(left, other)
    assert causes[0].source == line
    assert {cause.function for cause in causes} == {planted.__name__}  # type: ignore[attr-defined]
    assert len(causes) <= 2  # where it is read, and where it is written into the graph
    assert find_baked(left, trace_module(module, (ones,))) == []


def test_code_that_leaves_no_frames_has_no_line() -> None:
    """Compiled code does not show in a stack; here the machinery that calls modules stands in for it."""
    source = """def hidden(self, x):
    if x.shape[1] > 8:
        x = x * 2
    for at in range(x.shape[1]):
        x = x + at
    return x / float(x.shape[1])"""
    scope: dict[str, object] = {}
    exec(compile(source, nn.modules.module.__file__, "exec"), scope)

    class Hidden(nn.Module):
        forward = scope["hidden"]

    (cause,) = causes_of(Hidden(), "time")
    assert str(cause).startswith("line not known: 7.0 became 11.0, ")
