"""What a run calls of torch is heard alike in eager and under the tracer; what torch does not count is seen in eager."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from pytest_torchscript.tracing.graph import Attribute, Literal, Result, Several
from pytest_torchscript.tracing.listen import Heard, listen

EXAMPLE = (torch.rand(2, 7, 4),)
Forward = Callable[[nn.Module, torch.Tensor], torch.Tensor]


class Model(nn.Module):
    def __init__(self, planted: Forward) -> None:
        super().__init__()
        self.planted = planted
        self.layer = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.planted(self, x)


def both(planted: Forward) -> tuple[Heard, Heard]:
    module = Model(planted)
    return listen(module, EXAMPLE), listen(module, EXAMPLE, traced=True)


def calls(heard: Heard) -> list[tuple[str, tuple[object, ...]]]:
    return [(operation.kind, operation.arguments) for operation in heard.recording.operations]


def sizes_everywhere(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    time = x.shape[1]
    half = (time + 1) // 2
    hidden = self.layer(x)[:, :half]
    return time - hidden * torch.arange(half)[:, None] / len(x)


def test_both_runs_are_heard_alike() -> None:
    eager, traced = both(sizes_everywhere)
    assert calls(eager) == calls(traced)
    assert [kind for kind, _ in calls(eager)] == ["linear", "getitem", "arange", "getitem", "mul", "div", "sub"]
    assert eager.recording.returned == traced.recording.returned == (Result(6, 0),)
    assert not eager.raised
    assert not traced.raised


def test_arguments_are_numbers_results_and_weights() -> None:
    eager, _ = both(sizes_everywhere)
    found = dict(calls(eager)[:3])
    assert found["linear"] == (Result(-1, -1), Attribute("layer.weight"), Attribute("layer.bias"))
    everything = Several((Literal(None),) * 3)
    assert found["getitem"] == (
        Result(0, 0),
        Several((everything, Several((Literal(None), Literal(4), Literal(None))))),
    )
    assert found["arange"] == (Literal(4),)
    assert dict(calls(eager))["sub"] == (Literal(7), Result(5, 0))


def changes_a_size(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    time = x.shape[1]
    left = time
    left -= 3
    x = x + 1
    return x[:, :time] if left > 2 else x


def test_a_size_changed_in_place_is_followed_to_what_goes_by_it() -> None:
    eager, traced = both(changes_a_size)
    assert eager.changes == []
    assert [(change.before, change.after) for change in traced.changes] == [(7, 4)]
    assert traced.changes[0].stack[0].line == changes_a_size.__code__.co_firstlineno + 3
    assert traced.used == [frozenset(), frozenset({0})]
    assert traced.read == {0}


def swaps(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    out = x * 0
    out.data = x * 2
    return out


def test_changes_that_torch_does_not_count_are_looked_for_in_eager_alone() -> None:
    eager, traced = both(swaps)
    ((stack, evidence),) = eager.unrecorded
    assert stack[0].line == swaps.__code__.co_firstlineno + 2
    assert evidence == "the data of a tensor is swapped here, which no trace records"
    assert traced.unrecorded == []


def raises_halfway(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return (x + 1).view(3, 5).relu()


def test_what_was_heard_before_an_error_is_kept() -> None:
    for heard in both(raises_halfway):
        assert heard.raised
        assert [kind for kind, _ in calls(heard)] == ["add", "view"]
        assert calls(heard)[1] == ("view", (Result(0, 0), Literal(3), Literal(5)))


def holds_a_sparse_tensor(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    sparse = x[0].to_sparse()
    hidden = x * 2
    hidden.add_(1)
    return hidden + sparse.to_dense()


def test_a_tensor_without_one_memory_does_not_end_the_run() -> None:
    eager, _ = both(holds_a_sparse_tensor)
    assert not eager.raised
    assert eager.unrecorded == []


def counts_its_calls(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return x + self.count.add_(1)


def test_what_a_run_keeps_does_not_reach_the_module() -> None:
    module = Model(counts_its_calls)
    module.register_buffer("count", torch.zeros(1))
    for traced in (False, True):
        assert [kind for kind, _ in calls(listen(module, EXAMPLE, traced=traced))] == ["add", "add"]
    assert module.count.item() == 0
