"""How tests ask a model that is served, and models to serve."""

from __future__ import annotations

import torch
from torch import nn

from tests.asking import ask

IN = {"x": ("FP32", (-1, -1, 4))}


OUT = {"output": ("FP32", (-1, -1, 4))}


TEXT_IN = {"input_ids": ("INT64", (-1, -1)), "attention_mask": ("INT64", (-1, -1))}


TEXT_OUT = {"output": ("INT64", (-1, -1))}


PROTOCOLS = ("v1", "v2")


class Two(nn.Module):
    """Returns its outputs by name."""

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"left": x * 2, "right": x.cumsum(1)}


class Twice(nn.Module):
    """Doubles what it gets."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2


class Masked(nn.Module):
    """Two inputs, one of them a mask."""

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return (input_ids * attention_mask).cumsum(1)


def flat(module, *names):
    def run(x):
        answer = module(x)
        return [answer[name] for name in names]

    return run


def put(server, model, *checks, version="v2", inputs=None, served=None, **settings):
    options = {"url": getattr(server, version), **(served or {})}
    return ask(model, *checks, inputs=inputs, backend="served", options={"served": options}, **settings)


def outcomes(result):
    return {check.name: check.outcome for check in result.checks}


def verdicts(result):
    return {axis.axis: axis.verdict for export in result.exports for axis in export.axes}


def said(result, check):
    return next(item.message for item in result.checks if item.name == check)
