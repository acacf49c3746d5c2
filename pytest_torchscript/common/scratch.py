"""Temporary folders that have room for what will be written: torch ends the process where a disk fills up under an archive."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from pytest_torchscript.errors import BackendError, MachineFailure

#: Beside weights a file holds code, names and constants.
_MARGIN = 2**20


@contextmanager
def scratch(values: Iterable[Any]) -> Iterator[Path]:
    """Make a temporary folder with room for a file of those values that are tensors.

    Raises MachineFailure where its disk has less.
    """
    with tempfile.TemporaryDirectory(prefix="torchscript-") as folder:
        needed = stored_bytes(value for value in values if isinstance(value, torch.Tensor)) + _MARGIN
        free = shutil.disk_usage(folder).free
        if free < needed:
            said = (
                f"{tempfile.gettempdir()} has {free / 1e6:.1f} MB left, and the saved file needs {needed / 1e6:.1f} MB"
            )
            raise MachineFailure(BackendError(said, hint="make room there, or set TMPDIR to a folder that has it"))
        yield Path(folder)


def stored_bytes(tensors: Iterable[torch.Tensor]) -> int:
    """Return what tensors take in a file, where those that share their memory stand once."""
    return sum({tensor.data_ptr(): tensor.numel() * tensor.element_size() for tensor in tensors}.values())
