"""Modules that nothing can be fed without a word from their author: a list of pictures, and a graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class ThreePictures(nn.Module):
    """Takes a list of three pictures, each of a size of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Conv2d(3, 4, 3)

    def forward(self, pictures: list[torch.Tensor]) -> torch.Tensor:
        """Return one row for each picture."""
        if not isinstance(pictures, list) or len(pictures) != 3:
            raise TypeError("pictures must be a list of three")
        return torch.stack([self.look(picture).mean((-2, -1)) for picture in pictures])


class OfGraph(nn.Module):
    """Takes a graph as libraries for them make it: an object that holds features of nodes, and edges between them."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(8, 4)

    def forward(self, graph: Any) -> torch.Tensor:
        """Return features of nodes, with those of their neighbours."""
        sources, targets = graph.edge_index
        made: torch.Tensor = self.out(graph.x).index_add(0, targets, self.out(graph.x[sources]))
        return made
