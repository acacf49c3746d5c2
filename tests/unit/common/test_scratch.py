from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest
import torch

from pytest_torchscript.common.scratch import scratch, stored_bytes
from pytest_torchscript.errors import MachineFailure


def test_tensors_that_share_memory_stand_once() -> None:
    weight = torch.zeros(10, 4)
    assert stored_bytes([weight, weight.detach(), torch.zeros(3, dtype=torch.int64)]) == 160 + 24


def test_a_folder_is_there_while_it_is_used() -> None:
    with scratch([torch.zeros(3), None]) as folder:
        (folder / "model.pt").touch()
    assert not folder.exists()


def test_a_disk_without_room_is_told_before_torch_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_500_000))
    with (
        pytest.raises(MachineFailure, match=r"has 1\.5 MB left, and the saved file needs 5\.0 MB") as caught,
        scratch([torch.zeros(1000, 1000)]),
    ):
        pass
    assert "TMPDIR" in str(caught.value)
