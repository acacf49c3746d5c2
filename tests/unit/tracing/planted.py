"""Small models over ``x`` of shape (batch, time, 4), one defect each: lines that freeze something end in ``# frozen``.

``FROZEN`` names the axis that each broken one freezes; the sound ones only look suspicious.
"""

from __future__ import annotations

import inspect
import itertools
import math
import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import planted_elsewhere as elsewhere
import torch
from torch import nn

Forward = Callable[[nn.Module, torch.Tensor], torch.Tensor]
FROZEN: dict[str, tuple[Forward, str]] = {}
SOUND: dict[str, Forward] = {}


def frozen(axis: str) -> Callable[[Forward], Forward]:
    def keep(forward: Forward) -> Forward:
        FROZEN[forward.__name__] = forward, axis
        return forward

    return keep


def sound(forward: Forward) -> Forward:
    SOUND[forward.__name__] = forward
    return forward


class Planted(nn.Module):
    def __init__(self, planted: Forward) -> None:
        super().__init__()
        self.planted = planted
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
        self.register_buffer("table", torch.arange(64.0)[:, None])
        self.cache: torch.Tensor | None = None
        self.calls = itertools.count()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.planted(self, x)


def marked_lines(name: str) -> set[tuple[str, int]]:
    """Return the (file, line) of the marks of a planted model."""
    forward = FROZEN[name][0]
    lines, first = inspect.getsourcelines(forward)
    own = inspect.getsourcefile(forward)
    found = {(own, first + at) for at, line in enumerate(lines) if line.rstrip().endswith("# frozen")}
    helper = Path(elsewhere.__file__).read_text(encoding="utf-8").splitlines()
    pattern = re.compile(rf"# frozen: .*\b{name}\b")
    return found | {(elsewhere.__file__, at) for at, line in enumerate(helper, 1) if pattern.search(line)}


# What warns.


@frozen("time")
def float_mean(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return x.sum(1) / float(x.shape[1])  # frozen


@frozen("time")
def read_here_used_there(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    length = int(x.shape[1])  # frozen
    x = x * 2
    return x.reshape(x.shape[0], length, 2, 2)  # frozen


@frozen("batch")
def length_of_tensor(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return x / len(x)  # frozen


@frozen("time")
def branch(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    if x.shape[1] > 8:  # frozen
        x = x * 2
        x = x + 3
    return x + 1


@frozen("time")
def early_return(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    y = x + 1
    if x.shape[1] > 8:  # frozen
        return y
    y = y * 3
    return self.layers[0](y)


@frozen("time")
def within_a_line(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return x * 2 if x.shape[1] > 8 else x + 1  # frozen


@frozen("time")
def between_results(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    doubled = x * 2
    more = x + 1
    return torch.cat([doubled, more, doubled if x.shape[1] > 8 else more], -1)  # frozen


@frozen("time")
def between_weights(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    weight = self.layers[0].weight if x.shape[1] > 8 else self.layers[1].weight  # frozen
    return x @ weight


@frozen("time")
def computed_or_constant(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    until = x.shape[1] if x.shape[1] > 8 else 3  # frozen
    return x[:, :until]  # frozen


@frozen("time")
def branch_in_layers(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    for layer in self.layers:
        x = _long(layer, x) if x.shape[1] > 8 else _short(layer, x)  # frozen
    return x


def _long(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return layer(x) * 2


def _short(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return layer(x) + 2


@frozen("time")
def decided_earlier(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    long = bool(x.shape[1] > 8)  # frozen
    x = x + 1
    if long:  # frozen
        x = x * 2
    return x


@frozen("time")
def kept_on_the_model(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    if x.shape[1] > 8:  # frozen
        self.mode = "long"
    y = x + 1
    if getattr(self, "mode", "short") == "long":
        y = y * 2
    return y


@frozen("time")
def length_passed_on(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return elsewhere.scaled(x, int(x.shape[1]))  # frozen


@frozen("time")
def decision_passed_on(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    is_causal = bool(x.shape[1] > 8)  # frozen
    return elsewhere.causal(x, is_causal)


@frozen("time")
def while_loop(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    at = 0
    total = x[:, 0]
    while at < x.shape[1]:  # frozen
        total = total + x[:, at]
        at += 1
    return total


@frozen("time")
def item_of_a_size(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    length = torch.ones_like(x[0, :, 0]).sum().item()  # frozen
    return x / length  # frozen


@frozen("batch")
def rows(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return torch.stack([row * 2 for row in x])  # frozen


@frozen("time")
def smaller_of_two_sizes(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    until = min(x.shape[1], 8)  # frozen
    return x[:, :until]


@frozen("time")
def larger_of_two_sizes(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    length = max(8, x.shape[1])  # frozen
    return torch.nn.functional.pad(x, (0, 0, 0, length - x.shape[1]))


@frozen("time")
def sorted_sizes(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    short, long = sorted((x.shape[1], 9))  # frozen
    return x[:, :short] * long  # frozen


@frozen("time")
def longest_of_several(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    parts = [x[:, :8] * 2, x + self.table[: x.shape[1]], self.table[:9].expand(x.shape[0], 9, 4)]
    longest = max(part.shape[1] for part in parts)  # frozen
    return torch.cat([torch.nn.functional.pad(part, (0, 0, 0, longest - part.shape[1])) for part in parts])  # frozen


@frozen("time")
def any_of_the_sizes(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return x * 2 if any(size > 9 for size in x.shape) else x  # frozen


@frozen("time")
def one_of_some_sizes(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return x * 2 if x.shape[1] in (3, 7) else x * 3  # frozen


@frozen("time")
def made_even(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    if x.shape[1] % 3 > 1:  # frozen
        x = torch.cat([x, x[:, -1:]], 1)
    return x + 1


@frozen("time")
def padded_to_a_multiple(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    short = x.shape[1] % 5
    if short > 1:  # frozen
        x = torch.nn.functional.pad(x, (0, 0, 0, 5 - short))
    return x + 1


@frozen("time")
def rounded_up(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    half = math.ceil(x.shape[1] / 2)  # frozen
    return x[:, :half]  # frozen


@frozen("time")
def sizes_to_a_list(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    lengths = torch.tensor(x.shape[1:]).tolist()  # frozen
    return x.reshape(-1, lengths[0] * lengths[1])  # frozen


@frozen("time")
def counts_to_a_list(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    counts = (x[:1, :, 0] > -1).sum(1).tolist()  # frozen
    return torch.cat([x[:, :count] for count in counts])  # frozen


@frozen("time")
def lengths_to_split_by(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    ends = torch.ones_like(x[0, :, 0]).cumsum(0)[-1:]
    parts = torch.split(torch.cat([x, x], 1), [int(end) for end in ends] * 2, 1)  # frozen
    return parts[0] * parts[1]


@frozen("time")
def product_by_numpy(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    width = int(np.prod(x.shape[1:]))  # frozen
    return x.reshape(-1, width)  # frozen


@frozen("time")
def two_statistics(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    steps = torch.ones_like(x[0]).cumsum(0)
    mean = steps.mean().item()  # frozen
    return (x - mean) / steps.std().item()  # frozen


@frozen("time")
def scale_by_numpy(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    scale = float(np.cumsum(torch.ones_like(x[0]).numpy()).mean())  # frozen
    hidden = self.layers[0](x)
    return hidden / scale  # frozen


@frozen("time")
def through_text(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    text = f"{x.shape[1]}"  # frozen
    return x * int(text)  # frozen


# What warns of nothing.


@frozen("time")
def helper_elsewhere(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return elsewhere.mean_over_time(x)


@frozen("time")
def recurrence(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    out = x[:, 0]
    for at in range(x.shape[1]):  # frozen
        out = out + x[:, at]
        out = torch.tanh(out)
    return out


@frozen("time")
def cells(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    state = torch.zeros_like(x[:, 0])
    for at in range(x.shape[1]):  # frozen
        for layer in self.layers:
            state = layer(state + x[:, at])
    return state


@frozen("time")
def backwards(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    out = x[:, 0]
    for at in reversed(range(x.shape[1])):  # frozen
        out = torch.tanh(out + x[:, at])
    return out


@frozen("time")
def comprehension(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    parts = [x[:, at] * 2 for at in range(x.shape[1])]  # frozen
    return torch.stack(parts, 1)


@frozen("time")
def list_of_positions(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    positions = list(range(x.shape[1]))  # frozen
    return x + torch.tensor(positions)[:, None]  # frozen


@frozen("time")
def stride(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return torch.as_strided(x, (x.shape[0], 2), (x.stride(0), 1))  # frozen


@frozen("time")
def numpy_positions(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    positions = np.arange(int(x.shape[1]), dtype=np.float32)  # frozen
    return x + torch.from_numpy(positions)[:, None]  # frozen


@frozen("time")
def unbound(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    first, *rest = x.unbind(1)  # frozen
    return sum(rest, first)  # frozen


@frozen("time")
def split(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return x.split(4, 1)[0] * 2  # frozen


@frozen("time")
def lambda_view(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    flat = lambda t: t.view(t.shape[0], int(t.shape[1]) * 4)  # noqa: E731 # frozen
    return flat(x)


@frozen("time")
def table_of_numbers(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    table = [[float(abs(a - b)) for a in range(x.shape[1])] for b in range(x.shape[1])]  # frozen
    return torch.tensor(table) @ x  # frozen


# What only looks suspicious.


@sound
def asserts_and_warnings(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    assert x.shape[1] > 0
    if x.shape[-1] != 4:
        raise ValueError(f"{int(x.shape[1])} steps")
    batch, time, _ = x.shape
    if time > 10_000:
        x = x * 0
    return x.view(batch, time * 2, 2)


@sound
def tensors_all_the_way(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    time = x.shape[1]
    mask = torch.ones(time, time).tril()
    positions = torch.arange(time, device=x.device)
    return (mask @ x) + positions[:, None] + self.table[:time]


@sound
def cache_that_grows(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    if self.cache is None or self.cache.shape[0] < x.shape[1]:
        self.cache = torch.arange(x.shape[1])
    return x + self.cache[: x.shape[1], None]


@sound
def counts_its_calls(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return x + next(self.calls)


@sound
def draws_in_python(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return x * random.random()


@sound
def read_and_dropped(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    count = int(x.shape[1]) * torch.ones(1)
    del count
    return x + 1


@sound
def layers_of_its_own(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
    for at, layer in enumerate(self.layers):
        x = layer(x) * (at + 1)
    return torch.stack(x.chunk(2, -1))
