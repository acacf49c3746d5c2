"""What each parameter of a forward holds: the one place that knows names.

A rule turns a Reading into the TensorSpec of one parameter, or into None where the model is not fed it. Parameters that
stand in no table are not fed; a required one among them is an error that says how to declare it. For a model of your own
implement the hook ``pytest_torchscript_inputs(config, model_class, task)`` in a conftest.py and return an InputSpec.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Optional

import torch

from pytest_torchscript.inputs.reading import (
    Reading,
    batch_axis,
    padding_id,
    special_ids,
    text_length,
)
from pytest_torchscript.spec import Axis, TensorSpec

Rule = Callable[[Reading], Optional[TensorSpec]]

TEXT = ("text", "encoder")


def text_dims(reading: Reading) -> tuple[Axis | str, ...]:
    """Return the dims of a text input: one row a choice for multiple choice."""
    sequence = Axis("sequence", max=text_length(reading, TEXT))
    return (batch_axis(), sequence)


def input_ids(reading: Reading) -> TensorSpec:
    """Identifiers of the vocabulary."""
    vocabulary = reading.require("vocab_size", within=TEXT, needed_by="input_ids")
    return TensorSpec(
        *text_dims(reading),
        dtype=torch.int64,
        low=0,
        high=vocabulary,
        role="ids",
        pad=padding_id(reading, vocabulary, TEXT),
        special=special_ids(reading, vocabulary, TEXT),
    )


def attention_mask(reading: Reading) -> TensorSpec:
    """1 where a token is real."""
    return TensorSpec(*text_dims(reading), dtype=torch.int64, low=0, high=2, role="mask", optional=True)


def token_type_ids(reading: Reading) -> TensorSpec | None:
    """Segments; a model with one type has nothing to tell apart."""
    types = reading.number("type_vocab_size", within=TEXT, default=0) or 0
    if types < 2:
        return None
    return TensorSpec(*text_dims(reading), dtype=torch.int64, low=0, high=types, role="types", optional=True)


RULES: Mapping[str, Rule] = {
    "input_ids": input_ids,
    "attention_mask": attention_mask,
    "token_type_ids": token_type_ids,
}
