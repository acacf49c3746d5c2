"""Generation with artifacts of fixed shapes: masks are heeded, lengths are limits."""

from __future__ import annotations

import pytest
import torch

from pytest_torchscript.backends.registry import backend_for
from pytest_torchscript.checks.generation import (
    padded_generator,
    source_ids,
)
from pytest_torchscript.errors import InputError
from tests.generating import marian


def test_a_model_that_ignores_its_mask_is_caught():
    model = marian()
    forward = model.get_encoder().forward

    class Careless(torch.nn.Module):
        def forward(self, input_ids, attention_mask=None, **kwargs):
            return forward(input_ids=input_ids, attention_mask=torch.ones_like(input_ids), return_dict=True)

    generator = padded_generator(model, backend_for("torchscript"), sources=(3, 12), beams=1, target=10)
    model_encoder = Careless()
    from pytest_torchscript.lab import padded_generation

    careless = padded_generation.PaddedEncoder(model)
    careless.encoder = model_encoder
    generator._kept["encoder"] = careless
    ids = source_ids(model.config, 1, 3)
    expected = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=9, do_sample=False, num_beams=1)
    assert not torch.equal(generator.generate(ids, max_new_tokens=9), expected)


def test_a_source_that_is_too_long_names_its_axis():
    generator = padded_generator(marian(), backend_for("torchscript"), sources=(4,), beams=1, target=6)
    with pytest.raises(InputError, match="axis 'sequence' is 5, larger than the 4"):
        generator.generate(torch.ones(1, 5, dtype=torch.int64), max_new_tokens=3)
