"""The bytes of tensors, for whoever hashes them."""

from __future__ import annotations

import torch


def bytes_of(tensor: torch.Tensor) -> bytes:
    """Return the bytes of a tensor's values, in order."""
    flat = tensor.detach().cpu().contiguous().flatten()
    if flat.is_complex():
        flat = torch.view_as_real(flat).flatten()
    return bytes(flat.view(torch.uint8).numpy().tobytes()) if flat.numel() else b""
