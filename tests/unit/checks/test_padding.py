"""Padding: pictures under a pixel mask, positions that do not move, and positions that nobody can tell."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_torchscript import Axis, TensorSpec, check
from tests import toys
from tests.asking import answer, ask

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


class Prefixed(nn.Module):
    """Text and two learned positions that never move, before the text or behind it."""

    def __init__(self, *, behind: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 16)
        self.learned = nn.Parameter(torch.randn(2, 16))
        self.behind = behind

    def forward(self, input_ids, attention_mask):
        learned = self.learned.expand(input_ids.shape[0], -1, -1)
        parts = [self.embedding(input_ids), learned] if self.behind else [learned, self.embedding(input_ids)]
        ones = torch.ones_like(learned[..., 0])
        masks = [attention_mask.float(), ones] if self.behind else [ones, attention_mask.float()]
        hidden, mask = torch.cat(parts, 1), torch.cat(masks, 1)
        scores = (hidden @ hidden.transpose(1, 2) / 4).masked_fill(mask[:, None] == 0, -1e4)
        return torch.tanh(scores.softmax(-1) @ hidden)


@pytest.mark.parametrize("behind", [False, True])
def test_positions_that_do_not_move_may_stand_before_or_behind(behind):
    torch.manual_seed(0)
    inputs = {
        "input_ids": TensorSpec("batch", "sequence", dtype=torch.int64, low=0, high=50),
        "attention_mask": TensorSpec("batch", "sequence", dtype=torch.int64, low=0, high=2),
    }
    found = check(Prefixed(behind=behind).eval(), inputs=inputs, checks=("padding",)).checks[0]
    assert found.outcome == "passed", found.message


class Grid(Patches):
    """Keeps every patch: their rows laid end to end do not tell which are real."""

    def forward(self, pixel_values, pixel_mask):
        pooled = super().forward(pixel_values, pixel_mask)
        return (
            (pooled, self.patches(pixel_values).flatten(2).transpose(1, 2))
            if self.honours_mask
            else self.patches(pixel_values).flatten(2).transpose(1, 2)
        )


def test_mixed_positions_are_not_compared():
    torch.manual_seed(0)
    _, found = padding_of(Grid(honours_mask=True), {})
    assert found.outcome == "passed", found.message
    torch.manual_seed(0)
    _, found = padding_of(Grid(honours_mask=False), {})
    assert "padded along batch\n" in found.message
    assert "not along height, width: no output tells which of its positions are real" in found.message


def test_it_passes_where_the_mask_is_honoured_and_fails_where_it_is_not():
    assert answer(ask(toys.Masked(), "padding", inputs=toys.TEXT)).outcome == "passed"
    result = ask(toys.MaskIgnored(), "padding", inputs=toys.TEXT)
    assert answer(result).outcome == "failed"
    assert result.exports[0].padding.verdict == "diverges"
    assert "does not give eager's answer at the real positions" in answer(result).message


def test_an_axis_declared_fixed_is_padded():
    assert answer(ask(toys.FrozenMean(), "padding")).outcome == "skipped"
    assert ask(toys.FrozenMean(), "padding", axes={"time": 16}).exports[0].padding.verdict == "diverges"


def test_an_axis_declared_fixed_is_cropped():
    inputs = {"x": TensorSpec("batch", "time", 4)}
    result = ask(toys.WritesIntoInput(), "padding", inputs=inputs, axes={"time": 8})
    assert result.exports[0].padding.verdict == "dynamic", result.failures


def test_every_bucket_is_tried_and_its_cost_told():
    result = ask(toys.Masked(), "padding", inputs=toys.TEXT, axes={"sequence": (8, 16, 32)})
    buckets = result.exports[0].padding.buckets
    assert [cost.sizes["sequence"] for cost in buckets] == [8, 16, 32]
    assert all(cost.waste > 1 for cost in buckets)


def test_axes_inside_sums_and_products_are_not_padded():
    from types import SimpleNamespace

    from pytest_torchscript import Axis, InputSpec, TensorSpec
    from pytest_torchscript.checks.padding import paddable_axes

    def paddable(*dims, pictures="batch"):
        mask = TensorSpec(*dims, role="mask")
        spec = InputSpec({"mask": mask, "pictures": TensorSpec(pictures, 3)}, axes={"batch": Axis("batch", max=4)})
        return paddable_axes(SimpleNamespace(spec=spec))

    assert paddable("batch", "sequence") == ("batch", "sequence")
    assert paddable("batch", "sequence", pictures="batch*images") == ("sequence",)
    assert paddable("batch", "4*images + sequence", pictures="batch*images") == ()
