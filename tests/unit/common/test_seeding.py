"""Seeds, and generators given back."""

from __future__ import annotations

import torch

from pytest_torchscript.common.seeding import seeded


def test_seeded_gives_all_generators_back() -> None:
    import random

    import numpy

    def draw() -> tuple[float, float, float]:
        return float(torch.rand(())), random.random(), float(numpy.random.rand())

    torch.manual_seed(0)
    random.seed(0)
    numpy.random.seed(0)
    expected = draw()
    torch.manual_seed(0)
    random.seed(0)
    numpy.random.seed(0)
    with seeded(5):
        first = draw()
    assert draw() == expected
    with seeded(5):
        assert draw() == first
