"""The device that stands for another one."""

from __future__ import annotations

import pytest


@pytest.fixture
def lazy() -> str:
    """Return the name of torch's own second device, which computes on the CPU."""
    import torch._lazy.ts_backend

    try:
        torch.empty(1, device="lazy")
    except NotImplementedError:  # once a process
        torch._lazy.ts_backend.init()
    return "lazy"
