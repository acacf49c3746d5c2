"""How much memory another process holds."""

from __future__ import annotations

import os

import pytest

from pytest_torchscript.errors import OptionError
from pytest_torchscript.isolation.memory import require_measure, resident


def test_own_memory_is_told() -> None:
    require_measure()
    assert 1e6 < (resident(os.getpid()) or 0) < 1e12


def test_a_process_that_is_gone_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resident(2**22 + 1) is None
    monkeypatch.setattr("pytest_torchscript.isolation.memory.resident", lambda _pid: None)
    with pytest.raises(OptionError, match="does not tell how much memory"):
        require_measure()
