"""Small models with the mechanisms of public bug reports; a line that a right answer names ends in ``# culprit``."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from pytest_torchscript import Axis, TensorSpec

BATCH, TIME = Axis("batch", max=6), Axis("time", max=12)
WIDTH = 4

Made = tuple[nn.Module, Any]


def seeded(model_class: type[nn.Module], *arguments: Any) -> nn.Module:
    """Return the model in eval mode, with the same weights every time."""
    torch.manual_seed(7)
    return model_class(*arguments).eval()


class MessageRound(nn.Module):
    """Every node hears its neighbours and itself; how many nodes there are is read off the links."""

    def __init__(self) -> None:
        super().__init__()
        self.say = nn.Linear(WIDTH, WIDTH)

    def forward(self, nodes: torch.Tensor, links: torch.Tensor) -> torch.Tensor:
        known = int(links.max()) + 1  # culprit
        itself = torch.arange(known).expand(2, known)  # culprit
        source, target = torch.cat([itself, links], dim=1)
        return torch.zeros_like(nodes).index_add(0, target, self.say(nodes)[source])


def graph() -> Made:
    return seeded(MessageRound), {
        "nodes": TensorSpec(Axis("nodes", min=3, max=9), WIDTH),
        "links": TensorSpec(2, Axis("links", min=2, max=12), dtype=torch.int64, low=0, high="nodes"),
    }


def graph_examples() -> Made:
    links = torch.tensor([[0, 1, 2, 3, 4], [1, 2, 3, 4, 0]])
    return seeded(MessageRound), {"nodes": torch.randn(5, WIDTH), "links": links}


class TwoScales(nn.Module):
    """A coarse look at an image is brought back to the fine one's size by a factor that torch computes anew."""

    def __init__(self) -> None:
        super().__init__()
        self.shrink = nn.Conv2d(3, WIDTH, 2, stride=2)
        self.keep = nn.Conv2d(3, WIDTH, 1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        coarse = F.interpolate(self.shrink(pixels), scale_factor=2, mode="bilinear", recompute_scale_factor=True)
        return coarse * self.keep(pixels)


def two_scales() -> Made:
    side = {"min": 4, "max": 16, "multiple_of": 2}
    return seeded(TwoScales), {"pixels": TensorSpec(BATCH, 3, Axis("height", **side), Axis("width", **side))}


class Swapped(nn.Module):
    """Memory changes hands through ``.data``, which the tracer does not see."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        scaled = self.linear(signal)
        kept = torch.ones_like(scaled)
        kept.data = scaled.tanh()  # culprit
        return kept


def swapped() -> Made:
    return seeded(Swapped), {"signal": TensorSpec(BATCH, WIDTH)}


class Bags(nn.Module):
    """One long row of tokens is cut into bags by their counts."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, WIDTH)

    def forward(self, tokens: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        sizes = counts.tolist()  # culprit
        bags = self.table(tokens).split(sizes)  # culprit
        return torch.stack([bag.sum(0).relu() for bag in bags])


def fair_shares(generator: torch.Generator, shape: tuple[int, ...]) -> torch.Tensor:
    """Two counts that sum to ten."""
    first = torch.randint(0, 11, (1,), generator=generator)
    return torch.cat([first, 10 - first])


def bags() -> Made:
    return seeded(Bags), {
        "tokens": TensorSpec(10, dtype=torch.int64, low=0, high=20),
        "counts": TensorSpec(2, dtype=torch.int64, fill=fair_shares),
    }


def bags_examples() -> Made:
    return seeded(Bags), {"tokens": torch.arange(10), "counts": torch.tensor([3, 7])}


class Latest(nn.Module):
    """Only so many of the last frames count; the number comes with them."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, frames: torch.Tensor, last: torch.Tensor | int) -> torch.Tensor:
        kept = frames[:, -int(last) :]  # culprit
        return self.linear(kept).sum(1)


def latest() -> Made:
    return seeded(Latest), {
        "frames": TensorSpec(BATCH, 8, WIDTH),
        "last": TensorSpec(dtype=torch.int64, low=1, high=9),
    }


def latest_number() -> Made:
    return seeded(Latest), {"frames": torch.randn(2, 8, WIDTH), "last": 3}


class Cube(torch.autograd.Function):
    """A function with a backward pass of its own."""

    @staticmethod
    def forward(ctx: Any, value: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(value)
        return value**3

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        (value,) = ctx.saved_tensors
        return 3 * value**2 * gradient


class Cubed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        return Cube.apply(self.linear(signal))  # culprit


def cubed() -> Made:
    return seeded(Cubed), {"signal": TensorSpec(BATCH, WIDTH)}


class Held(nn.Module):
    """Every note is held for as many steps as it lasts; shorter tunes end in silence."""

    def __init__(self) -> None:
        super().__init__()
        self.pitch = nn.Embedding(12, WIDTH)

    def forward(self, notes: torch.Tensor, lasts: torch.Tensor) -> torch.Tensor:
        tunes = [self.pitch(row).repeat_interleave(steps, 0) for row, steps in zip(notes, lasts)]  # culprit
        longest = max(len(tune) for tune in tunes)  # culprit
        return torch.stack([F.pad(tune, (0, 0, 0, longest - len(tune))) for tune in tunes])  # culprit


def held() -> Made:
    return seeded(Held), {
        "notes": TensorSpec(BATCH, TIME, dtype=torch.int64, low=0, high=12),
        "lasts": TensorSpec(BATCH, TIME, dtype=torch.int64, low=1, high=5),
    }


class MapsAndBoxes(nn.Module):
    """Lists within lists, of unlike things."""

    def __init__(self) -> None:
        super().__init__()
        self.near = nn.Conv2d(3, 4, 3, padding=1)
        self.far = nn.Conv2d(4, 4, 2, stride=2)

    def forward(self, pixels: torch.Tensor) -> list[Any]:
        near = self.near(pixels).relu()
        far = self.far(near)
        return [near.amax((2, 3)), [near, [far]]]


def maps_and_boxes() -> Made:
    side = {"min": 4, "max": 16, "multiple_of": 2}
    return seeded(MapsAndBoxes), {"pixels": TensorSpec(BATCH, 3, Axis("height", **side), Axis("width", **side))}


class Pairs(nn.Module):
    """Steps are taken two by two; a lone one is doubled first."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, steps: torch.Tensor) -> torch.Tensor:
        if len(steps) % 2:  # culprit
            steps = torch.cat([steps, steps[-1:]])
        return self.linear(steps[::2]) * steps[1::2]


def pairs_examples() -> Made:
    return seeded(Pairs), {"steps": torch.randn(8, WIDTH)}


def pairs() -> Made:
    return seeded(Pairs), {"steps": TensorSpec(Axis("steps", max=24), WIDTH)}


class Reader(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 8)
        self.read = nn.LSTM(8, 8, batch_first=True)

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        states, (last, _) = self.read(self.table(tokens))
        return states, last


def eight_bits() -> Made:
    model = torch.ao.quantization.quantize_dynamic(seeded(Reader), {nn.LSTM}, dtype=torch.qint8)
    return model, {"tokens": TensorSpec(BATCH, TIME, dtype=torch.int64, low=0, high=20)}


@torch.jit.script_if_tracing
def as_long_as(short: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    lacking = like.shape[1] - short.shape[1]
    if lacking > 0:
        return F.pad(short, [0, lacking])
    return short[:, : like.shape[1]]


class Echo(nn.Module):
    """What comes out is made as long as what went in, by a function that is scripted while it is traced."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv1d(1, 4, 3, stride=3)
        self.up = nn.ConvTranspose1d(4, 1, 3, stride=3)

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        return as_long_as(self.up(self.down(sound[:, None]).tanh())[:, 0], sound)


def echo() -> Made:
    return seeded(Echo), {"sound": TensorSpec(BATCH, Axis("samples", min=3, max=30))}


class Phases(nn.Module):
    """Complex numbers come out."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(8))

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        seen = torch.stft(sound, 8, 2, window=self.window, return_complex=True)
        return seen / (1 + seen.abs())


def phases() -> Made:
    return seeded(Phases), {"sound": TensorSpec(BATCH, Axis("samples", min=8, max=40))}


class Turned(nn.Module):
    """Positions turn all features, so that the slices beside the turned ones are empty."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)
        self.register_buffer("speed", torch.tensor([1.0, 0.1]))

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        hidden = self.linear(signal)
        angle = torch.arange(hidden.shape[1])[:, None] * self.speed
        wide = 2 * angle.shape[1]
        first, second = hidden[..., :wide].chunk(2, -1)
        turned = (first * angle.cos() - second * angle.sin(), first * angle.sin() + second * angle.cos())
        return torch.cat((hidden[..., :0], *turned, hidden[..., wide:]), -1)


def turned() -> Made:
    return seeded(Turned), {"signal": TensorSpec(BATCH, TIME, WIDTH)}


class HalfPrecision(nn.Module):
    """A mask is made in the type of half-precision weights."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 8)
        self.score = nn.Linear(8, 8)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = self.table(input_ids)
        away = (1 - attention_mask[:, None].to(self.score.weight.dtype)) * -1e4
        return torch.softmax(self.score(hidden) @ hidden.transpose(1, 2) + away, -1) @ hidden


def half_precision() -> Made:
    return seeded(HalfPrecision).half(), {
        "input_ids": TensorSpec(BATCH, TIME, dtype=torch.int64, low=0, high=20),
        "attention_mask": TensorSpec(BATCH, TIME, dtype=torch.int64, low=0, high=2),
    }
