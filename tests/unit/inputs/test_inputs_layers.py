"""What torch's own layers say of the tensors they take."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_torchscript.inputs.layers import wanted_by

LAYERS = {
    "linear": nn.Linear(5, 3),
    "lstm": nn.LSTM(4, 6, num_layers=2),
    "gru, batch first": nn.GRU(4, 6, batch_first=True, bidirectional=True),
    "convolution": nn.Conv2d(3, 8, 3),
    "norm of a series": nn.BatchNorm1d(7),
    "norm": nn.LayerNorm((5, 4)),
    "groups": nn.GroupNorm(2, 6),
    "attention": nn.MultiheadAttention(8, 2),
    "shuffle": nn.PixelShuffle(3),
    "bilinear": nn.Bilinear(4, 5, 2),
    "likeness": nn.CosineSimilarity(),
    "padding": nn.ReflectionPad2d(1),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_takes_what_it_says(name: str) -> None:
    layer = LAYERS[name].eval()
    made = []
    for wanted in wanted_by(layer):
        rank = next(iter(wanted.ranks), 3)
        sizes = [2 if index == 0 else 7 for index in range(rank)]
        for index, size in {**wanted.sizes, **wanted.multiples}.items():
            sizes[index] = size
        made.append(torch.randn(sizes))
        assert not wanted.names or len(wanted.names) in wanted.ranks or len(wanted.names) == 2
    assert made
    if isinstance(layer, nn.RNNBase):
        made[1][:] = 0
        rows = made[0].shape[0 if layer.batch_first else 1]
        state = torch.zeros(made[1].shape[0], rows, made[1].shape[2])
        layer(made[0], (state, state) if wanted_by(layer)[1].pair else state)
    else:
        layer(*made)


def test_ids_stay_below_the_size_of_their_table() -> None:
    (wanted,) = wanted_by(nn.Embedding(50, 4))
    assert (wanted.below, wanted.names) == (50, ("batch", "sequence"))


def test_a_loss_over_classes_takes_whole_numbers() -> None:
    scores, targets = wanted_by(nn.NLLLoss())
    assert (scores.names, targets.names, targets.below) == (("batch", "classes"), ("batch",), 2)


@pytest.mark.parametrize("layer", [nn.ReLU(), nn.Identity(), nn.Flatten(), nn.PReLU()])
def test_a_layer_that_takes_anything_says_nothing(layer: nn.Module) -> None:
    assert wanted_by(layer) == ()


def test_a_class_that_is_only_called_as_torchs_says_nothing() -> None:
    class Conv2d(nn.Module):
        in_channels = 3

    assert wanted_by(Conv2d()) == ()
