"""Real inputs from what a checkpoint brings: its tokenizer, image processor or feature extractor."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from pytest_torchscript.spec import InputSpec, Sizes


def real_inputs(directory: str, spec: InputSpec, sizes: Sizes) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    """Yield named inputs made by the checkpoint's own processors."""
    yield from ()
