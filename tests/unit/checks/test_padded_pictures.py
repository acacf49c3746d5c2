"""Pictures padded to a bucket under a pixel mask, by its name alone: a model that honours it, and one that does not."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_torchscript import Axis, TensorSpec, check

STEP = 4


class Patches(nn.Module):
    """Attention over patches of 4 x 4, and their mean."""

    def __init__(self, *, honours_mask: bool) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 32, STEP, STEP)
        self.query = nn.Linear(32, 32)
        self.head = nn.Linear(32, 5)
        self.honours_mask = honours_mask

    def forward(self, pixel_values, pixel_mask):
        hidden = self.patches(pixel_values).flatten(2).transpose(1, 2)
        mask = nn.functional.max_pool2d(pixel_mask[:, None].float(), STEP, STEP).flatten(1)
        if not self.honours_mask:
            mask = torch.ones_like(mask)
        scores = (self.query(hidden) @ hidden.transpose(1, 2) / 6).masked_fill(mask[:, None] == 0, -1e4)
        hidden = torch.tanh(scores.softmax(-1) @ hidden) * mask[..., None]
        return self.head(hidden.sum(1) / mask.sum(1, keepdim=True))


def padding_of(module, axes):
    height, width = (Axis(name, min=STEP, max=96, multiple_of=STEP) for name in ("height", "width"))
    inputs = {
        "pixel_values": TensorSpec("batch", 3, height, width),
        "pixel_mask": TensorSpec("batch", height, width, dtype=torch.int64, low=0, high=2),
    }
    result = check(module.eval(), inputs=inputs, axes=axes, checks=("padding",))
    return result.exports[0], result.checks[0]


BUCKETS = {"height": Axis.fixed_at("height", 32, 64), "width": Axis.fixed_at("width", 32, 64)}


@pytest.mark.parametrize("axes", [{}, BUCKETS], ids=["anchor", "buckets"])
def test_a_model_that_honours_its_pixel_mask(axes):
    torch.manual_seed(0)
    export, found = padding_of(Patches(honours_mask=True), axes)
    assert found.outcome == "passed", found.message
    assert "padded along batch, height, width" in found.message
    assert export.padding.verdict == "dynamic"
    assert len(export.padding.buckets) == (4 if axes else 1)


@pytest.mark.parametrize("axes", [{}, BUCKETS], ids=["anchor", "buckets"])
def test_a_model_that_ignores_it(axes):
    torch.manual_seed(0)
    export, found = padding_of(Patches(honours_mask=False), axes)
    assert found.outcome == "failed"
    assert export.padding.verdict == "diverges"
    assert "eager itself, fed the padded input, differs as well" in found.message
    sizes = export.padding.counterexample
    assert sizes["height"] % STEP == 0
