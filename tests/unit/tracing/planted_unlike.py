"""Small models over ``x`` of shape (batch, time, 4) whose trace is wrong on its own example, and some that only look so.

Lines that do it end in ``# unlike``. No comparison of traces can find them: every trace has them alike.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

Forward = Callable[[nn.Module, torch.Tensor], torch.Tensor]
UNLIKE: dict[str, Forward] = {}
ALIKE: dict[str, Forward] = {}


def unlike(forward: Forward) -> Forward:
    UNLIKE[forward.__name__] = forward
    return forward


def alike(forward: Forward) -> Forward:
    ALIKE[forward.__name__] = forward
    return forward


class Model(nn.Module):
    def __init__(self, planted: Forward) -> None:
        super().__init__()
        self.planted = planted
        self.layer = nn.Linear(4, 4)
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.planted(self, x)


def marked_lines(forward: Forward) -> set[int]:
    lines, first = inspect.getsourcelines(forward)
    return {first + at for at, line in enumerate(lines) if line.rstrip().endswith("# unlike")}


# A tensor changes without an operation.


@unlike
def data_swapped(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    hidden = self.layer(x)
    out = hidden * 0
    out.data = torch.relu(hidden)  # unlike
    return out


@unlike
def data_swapped_by_function(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    hidden = self.layer(x)
    kept = torch.zeros_like(hidden)
    setattr(kept, "data", hidden * 2)  # noqa: B010 # unlike
    return torch.cat([kept, hidden], 1)


@unlike
def data_scaled(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    hidden = self.layer(x)
    hidden.data.mul_(2)  # unlike
    return hidden + 1


@unlike
def data_written(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    hidden = self.layer(x)
    hidden.data[:, 0] = 0  # unlike
    return hidden + 1


@unlike
def data_written_under_another_name(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    hidden = self.layer(x)
    inside = hidden.data
    inside += 1  # unlike
    return hidden * 2


@unlike
def buffer_swapped(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    self.mean.data = x.mean((0, 1))  # unlike
    return x - self.mean


@unlike
def numpy_writes(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    hidden = self.layer(x)
    hidden.numpy()[:, 0] = 0  # unlike
    return hidden + 1


@unlike
def numpy_writes_later(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    hidden = self.layer(x)
    array = hidden.numpy()
    more = x + 1
    array[:, 0] = 0  # unlike
    return hidden + more


# The model's Python goes another way under the tracer.


@unlike
def size_shared_by_two_names(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    time = x.shape[1]
    half = time
    half //= 2  # unlike
    return x[:, :half].sum(1) + x[:, time - 3 :].sum(1)  # unlike


@unlike
def size_in_a_list(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    time = x.shape[1]
    padding = [0, 0, 0, time]
    padding[-1] %= 4  # unlike
    return functional.pad(x, padding) * time  # unlike


@unlike
def size_changed_in_a_function(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    time = x.shape[1]
    steps = halved(time)
    return x[:, :steps] * time  # unlike


def halved(time: int) -> int:
    time //= 2  # named by its own line
    return time


@unlike
def branch_on_a_changed_size(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    time = x.shape[1]
    left = time
    left -= 3  # unlike
    if time > 6:  # unlike
        x = x * 2
    return x + left


@unlike
def size_not_in_a_dictionary(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    scale = {7: 1.5, 11: 2.5}.get(x.shape[1], 1.0)
    return x * scale  # unlike


@unlike
def size_not_an_int(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    time = x.shape[1]
    if isinstance(time, int):  # unlike
        x = torch.tanh(x)
    return x + 1


@unlike
def asks_whether_it_is_traced(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    if not torch.jit.is_tracing():  # unlike
        x = self.layer(x)
    return x + 1


@unlike
def single_precision(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return x.double() * x.shape[1] ** -0.5  # unlike


# What only looks so.


@alike
def counted_changes(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    hidden = self.layer(x)
    hidden.detach()[:, 0] = 0
    hidden.relu_().add_(1)
    hidden[hidden > 1] = 1
    rows = hidden.view(-1, 4)
    rows[0] += 1
    self.mean.copy_(x.mean((0, 1)))
    return hidden + self.mean


@alike
def same_data_again(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    self.layer.weight.data = self.layer.weight.data.contiguous()
    return self.layer(x)


@alike
def numpy_reads(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    hidden = self.layer(x)
    assert hidden.numpy().shape[-1] == 4
    assert len(hidden.tolist()) == hidden.shape[0]
    return hidden + 1


@alike
def a_size_of_its_own(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    time = x.shape[1]
    time -= 2
    shape = list(x.shape)
    shape[1] *= 2
    shape[2] //= 2
    return x.reshape(shape)[:, :time]


@alike
def numbers_on_the_left(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    time = x.shape[1]
    positions = torch.arange(time, device=x.device)
    mask = time > positions
    x = time - (x + 3) + time * x - 2**x
    return x * mask[:, None] * math.sqrt(time) / max(time, 2)


@alike
def outputs_given(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(x)
    torch.mul(x, 2, out=out)
    other = torch.empty(0)
    other.set_(out.relu())
    return functional.pad(other, (0, 0, 0, x.shape[1] % 4)).sum() + torch.tensor(float("-inf")).exp()


@alike
def draws_random_numbers(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return x + torch.randn(x.shape[1], 1)
