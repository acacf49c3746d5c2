"""Small sound models in the forms in which inputs and outputs are handed over; one of them breaks at odd sizes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from pytest_torchscript import Axis, TensorSpec

WIDTH = 3
BATCH, TIME = Axis("batch", max=6), Axis("time", max=10)

Made = tuple[Any, Any]


def seeded(model_class: Callable[..., nn.Module], *arguments: Any) -> nn.Module:
    """Return the model in eval mode, with the same weights every time."""
    torch.manual_seed(7)
    return model_class(*arguments).eval()


class Memory(nn.Module):
    """A recurrent layer whose pair of states goes in and comes out."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTM(WIDTH, 4)

    def forward(self, steps: torch.Tensor, states: tuple[torch.Tensor, torch.Tensor]) -> Any:
        return self.cell(steps, states)


def tuple_of_specs() -> Made:
    state = TensorSpec(1, BATCH, 4)
    return seeded(Memory), {"steps": TensorSpec(TIME, BATCH, WIDTH), "states": (state, state)}


def tuple_of_tensors() -> Made:
    return seeded(Memory), {"steps": torch.randn(6, 2, WIDTH), "states": (torch.zeros(1, 2, 4), torch.zeros(1, 2, 4))}


class Joined(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.cat([self.linear(part) for part in parts])


def list_of_tensors() -> Made:
    return seeded(Joined), {"parts": [torch.randn(2, WIDTH), torch.randn(4, WIDTH)]}


class Weighted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, sample: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return self.linear(sample["signal"]) * sample["weight"]


def dict_of_tensors() -> Made:
    return seeded(Weighted), {"sample": {"signal": torch.randn(4, WIDTH), "weight": torch.rand(4, 1)}}


class Corners(NamedTuple):
    low: torch.Tensor
    high: torch.Tensor


class Sides(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, corners: Corners) -> torch.Tensor:
        return self.linear(corners.high - corners.low)


def named_tuple() -> Made:
    return seeded(Sides), {"corners": Corners(torch.zeros(4, WIDTH), torch.rand(4, WIDTH))}


class Switched(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(
        self, signal: torch.Tensor, flip: bool = False, power: float = 1.0, gate: torch.Tensor | None = None
    ) -> torch.Tensor:
        hidden = self.linear(signal).abs() ** power
        hidden = -hidden if flip else hidden
        return hidden if gate is None else hidden * gate


def truth_value() -> Made:
    return seeded(Switched), {"signal": torch.randn(4, WIDTH), "flip": True}


def number() -> Made:
    return seeded(Switched), {"signal": torch.randn(4, WIDTH), "power": 2.0}


def nothing_given() -> Made:
    return seeded(Switched), {"signal": torch.randn(4, WIDTH), "gate": None}


def tuple_by_place() -> Made:
    return seeded(Switched), (torch.randn(4, WIDTH),)


def one_tensor() -> Made:
    return seeded(Switched), torch.randn(4, WIDTH)


class Answers(nn.Module):
    """One answer in a form of its own."""

    def __init__(self, form: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.form = form
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, signal: torch.Tensor) -> Any:
        return self.form(self.linear(signal))


def answers(form: Callable[[torch.Tensor], Any]) -> Made:
    return seeded(Answers, form), {"signal": TensorSpec(BATCH, WIDTH)}


def with_none(hidden: torch.Tensor) -> Any:
    return {"hidden": hidden, "loss": None}


def with_text(hidden: torch.Tensor) -> Any:
    return hidden, "units"


def with_number(hidden: torch.Tensor) -> Any:
    return hidden, hidden.shape[0]


def with_dicts(hidden: torch.Tensor) -> Any:
    return {"last": hidden, "others": [{"hidden": hidden + 1}, {"hidden": hidden + 2}]}


def chosen_rows(hidden: torch.Tensor) -> Any:
    return hidden[hidden[:, 0] > 0]


none_among_outputs = functools.partial(answers, with_none)
text_among_outputs = functools.partial(answers, with_text)
number_among_outputs = functools.partial(answers, with_number)
dicts_among_outputs = functools.partial(answers, with_dicts)
rows_by_value = functools.partial(answers, chosen_rows)


def doubled(signal: torch.Tensor) -> torch.Tensor:
    return signal + signal


def plain_function() -> Made:
    return doubled, {"signal": TensorSpec(BATCH, WIDTH)}


def scripted_module() -> Made:
    return torch.jit.script(seeded(nn.Linear, WIDTH, WIDTH)), {"input": TensorSpec(BATCH, WIDTH)}


class Bytes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 2, 1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.mix(pixels.float() / 255)


def bytes_in() -> Made:
    sides = (Axis("height", max=8), Axis("width", max=8))
    return seeded(Bytes), {"pixels": TensorSpec(BATCH, 3, *sides, dtype=torch.uint8)}


def normed_and_called() -> Made:
    torch.manual_seed(7)
    model = nn.Sequential(nn.utils.weight_norm(nn.Linear(WIDTH, WIDTH)))
    model(torch.randn(2, WIDTH))
    return model.eval(), {"input": TensorSpec(BATCH, WIDTH)}


def quantized() -> Made:
    model = nn.Sequential(seeded(nn.Linear, WIDTH, WIDTH))
    return torch.ao.quantization.quantize_dynamic(model, {nn.Linear}), {"input": TensorSpec(BATCH, WIDTH)}


class Folded(nn.Module):
    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        if signal.shape[0] % 2:
            signal = torch.cat([signal, signal[:1]])
        return signal.reshape(2, -1, WIDTH).sum(0)


def even_number_of_rows() -> Made:
    return Folded().eval(), {"signal": torch.randn(6, WIDTH)}
