"""Properties of an export, tried on inputs that pytest-torchscript draws."""

from __future__ import annotations

import torch
from encoders import SIGNAL
from hypothesis import given, settings

from pytest_torchscript import strategies


@settings(max_examples=20, deadline=None)
@given(inputs=strategies.inputs(SIGNAL))
def test_rows_do_not_see_each_other(torchscript_traced, inputs):
    signal = inputs["signal"]
    torch.testing.assert_close(torchscript_traced(signal)[0][:1], torchscript_traced(signal[:1])[0])


@settings(max_examples=20, deadline=None)
@given(mask=strategies.masks(2, 9))
def test_masks_keep_one_position_of_each_row(mask):
    assert mask.shape == (2, 9)
    assert mask.sum(1).min() >= 1
