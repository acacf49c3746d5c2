"""Toy models that keep something between calls, each in one way. ``# kept NAME`` marks the line that a right answer names, and
the attribute."""

from __future__ import annotations

import inspect
import random
from pathlib import Path
from typing import Any

import torch
from torch import nn


def truth(model: type[nn.Module]) -> tuple[str, str]:
    """Return the attribute that a right answer names, and the place of the line that sets it."""
    found = []
    for kind in (model, *model.__dict__.get("inner_kinds", ())):
        lines, start = inspect.getsourcelines(kind)
        found += [(line, start + number) for number, line in enumerate(lines) if "# kept" in line]
    ((line, number),) = found
    attribute = line.partition("# kept")[2].strip()
    return attribute, f"{Path(__file__).name}:{number}"


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(4, 4)


class LazyTable(Base):
    """Builds its table at the first call, as long as that call needs, and never longer."""

    table: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.table is None or self.table.shape[0] < x.shape[1]:
            self.table = torch.arange(x.shape[1]).float().sqrt()  # kept table
        return self.linear(x) + self.table[: x.shape[1], None]


class SizeKeyed(Base):
    """Keeps one table for every size it met."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[int, torch.Tensor] = {}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        steps = x.shape[1]
        if int(steps) not in self.tables:
            self.tables[int(steps)] = torch.arange(steps).float()  # kept tables
        return self.linear(x) * self.tables[int(steps)][:, None]


class LastSize(Base):
    """Rebuilds its table where the size is another than at the call before."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = -1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.steps != x.shape[1]:
            self.steps = int(x.shape[1])
            self.register_buffer("positions", torch.arange(x.shape[1]).float(), persistent=False)  # kept positions
        return self.linear(x) + self.positions[:, None]


class Switch(Base):
    """Takes another way for good once it met a short input, as BigBird does."""

    def __init__(self) -> None:
        super().__init__()
        self.way = "blocks"

    def choose(self, steps: int) -> None:
        if steps < 5:
            self.way = "all"  # kept way

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.choose(x.shape[1])
        y = self.linear(x)
        return y.cumsum(1) if self.way == "blocks" else y


class SwitchInside(nn.Module):
    """Holds a model that switches."""

    inner_kinds = (Switch,)

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4), Switch()])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class HiddenSwitch(nn.Module):
    """Keeps the model that switches in a list, out of its registry."""

    inner_kinds = (Switch,)

    def __init__(self) -> None:
        super().__init__()
        self.inner = [Switch().requires_grad_(False)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner[0](x)


class FirstMean(Base):
    """Centres by the mean of the first input it met."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("seen", torch.zeros((), dtype=torch.bool))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.seen:
            self.mean = x.mean()  # kept mean
            self.seen = torch.ones((), dtype=torch.bool)
        return self.linear(x) - self.mean


class DataSwap(Base):
    """Puts a longer table into its buffer by ``.data``."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.zeros(0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.table.shape[0] < x.shape[1]:
            self.table.data = torch.arange(x.shape[1]).float()  # kept table
        return self.linear(x) + self.table[: x.shape[1], None]


class ByName(Base):
    """Sets its attribute by a name that is computed."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        name = "_".join(("table", "of", "steps"))
        if not hasattr(self, name):
            setattr(self, name, torch.ones(x.shape[1]).cumsum(0))  # kept table_of_steps
        return self.linear(x) / getattr(self, name)[:, None]


class Helper:
    def __init__(self) -> None:
        self.table: Any = None

    def get(self, steps: int) -> torch.Tensor:
        if self.table is None or len(self.table) < steps:
            self.table = torch.arange(steps).float()  # kept helper
        return self.table[:steps]


class InHelper(Base):
    """Keeps its table in an object that is no module."""

    inner_kinds = (Helper,)

    def __init__(self) -> None:
        super().__init__()
        self.helper = Helper()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) + self.helper.get(x.shape[1])[:, None]


class AppendsPast(Base):
    """Attends to all it ever met."""

    def __init__(self) -> None:
        super().__init__()
        self.past: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.past.append(x.mean())  # kept past
        return self.linear(x) + torch.stack(self.past).sum()


class KeepsHidden(Base):
    """Goes on from the hidden state of the call before."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRU(4, 4, batch_first=True)
        self.hidden: torch.Tensor | None = None
        self.seen = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen += 1
        out, hidden = self.cell(x, self.hidden if self.hidden is not None and self.hidden.shape[1] == len(x) else None)
        self.hidden = hidden.detach()  # kept hidden
        return out


class CountsCalls(Base):
    """Counts its calls in a buffer, in place."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1  # kept calls
        return self.linear(x) * self.calls


class CountsBehind(Base):
    """Counts its calls behind torch's back."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls.data.add_(1)  # kept calls
        return self.linear(x) * self.calls


class DecaysWeight(Base):
    """Writes to its weights."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.linear.weight.data.mul_(0.5)  # kept weight
        return self.linear(x)


class SwapsWeight(Base):
    """Gives its weights other data."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.linear.weight.data = self.linear.weight.data * 0.5  # kept weight
        return self.linear(x)


class OwnRandom(Base):
    """Draws from a generator of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.random = random.Random(0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) + self.random.random()  # kept random


class EqualCache(Base):
    """Keeps what it would compute again, from its weights alone: LeViT does."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, torch.Tensor] = {}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if "bias" not in self.kept:
            self.kept["bias"] = self.linear.bias.exp()
        return self.linear(x) + self.kept["bias"]


class Remembers(Base):
    """Keeps its last answer for whoever wants to look at it, and never reads it."""

    last: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.last = self.linear(x)
        return self.last * 2


class CountsUnread(Base):
    """Counts its calls, and no answer depends on that."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.sizes: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.sizes.append(x.shape[1])
        return self.linear(x)


class LongEnough(Base):
    """Keeps a table that is as long as any input may be."""

    table: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.table is None:
            self.table = torch.arange(40).float()
        return self.linear(x) + self.table[: x.shape[1], None]


class NotAgain(Base):
    """Cannot be traced once it was called: it says so itself."""

    state = "fresh"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if torch.jit.is_tracing() and self.state == "called":
            raise RuntimeError("trace me before you call me")
        self.state = "called"  # kept state
        return self.linear(x)


class DividesOnce(Base):
    """Divides its weights at the first call, for good, and allows for that: RWKV does."""

    divided = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.divided:
            with torch.no_grad():
                self.linear.weight.div_(2)  # kept weight
            self.divided = True
        return nn.functional.linear(x, self.linear.weight * 2, self.linear.bias)


class Outside(Base):
    """Counts its calls in its class."""

    calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        type(self).calls += 1
        return self.linear(x) * type(self).calls


class Observed(Base):
    """Scales by what one of torch's own observers met: no line of this file sets it."""

    def __init__(self) -> None:
        super().__init__()
        self.observer = torch.ao.quantization.MinMaxObserver()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.observer(x)
        return self.linear(x) / self.observer.max_val


#: A second call with the same inputs answers as the first; a trace after it, or after a call at another size, does not.
CHANGES_ITS_TRACE = [
    *(LazyTable, SizeKeyed, LastSize, Switch, SwitchInside, HiddenSwitch, FirstMean, DataSwap, ByName, InHelper),
    NotAgain,
]
#: A second call answers otherwise.
CHANGES_ITS_ANSWER = [KeepsHidden, AppendsPast, CountsCalls, CountsBehind, DecaysWeight, SwapsWeight, OwnRandom]
#: What is left behind does no harm.
HARMLESS = [EqualCache, Remembers, CountsUnread, LongEnough]
