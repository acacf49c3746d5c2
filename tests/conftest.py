"""Fixtures that tests of several folders share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

STANDINS = Path(__file__).parent / "standins"
#: Folders whose tests start processes of their own, and the fixtures that do.
PROCESS_FOLDERS = {"startup", "neighbours", "examples", "release", "cpp", "field"}
PROCESS_FIXTURES = {"run_apart"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts processes: ``-m "not process"`` leaves what is quick to repeat."""
    for item in items:
        if item.path.parent.name in PROCESS_FOLDERS or PROCESS_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("process")


@pytest.fixture
def neuron_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Make this process believe in a machine: stand-in packages by folder, a stand-in device, a behaviour.

    Subprocesses see the same machine through PYTHONPATH and the environment.
    """
    root = tmp_path / "machine"
    for name in ("dev", "proc", "sys"):
        (root / name).mkdir(parents=True)
    monkeypatch.setenv("PYTEST_TORCHSCRIPT_NEURON_ROOT", str(root))
    for name in ("NEURON_STANDIN", "NEURON_RT_VISIBLE_CORES", "NEURON_RT_NUM_CORES", "NEURON_PLATFORM_TARGET_OVERRIDE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))  # no compiler or neuron-ls of the real machine

    def make(*folders: str, device: bool = True, behaviour: str = "", cores: int | None = None) -> Path:
        paths = [str(STANDINS / folder) for folder in (*folders, "common")]
        for path in reversed(paths):
            monkeypatch.syspath_prepend(path)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")]))
        monkeypatch.setenv("NEURON_STANDIN", behaviour)
        monkeypatch.setenv("NEURON_STANDIN_DEVICE", "1" if device else "0")
        node = root / "dev" / "neuron0"
        if device and not node.exists():
            node.symlink_to(os.devnull)
        if cores is not None:
            count = root / "sys/devices/virtual/neuron_device/neuron0/core_count"
            count.parent.mkdir(parents=True, exist_ok=True)
            count.write_text(f"{cores}\n")
        forget()
        return root

    def forget() -> None:
        for name in ("torch_neuron", "torch_neuronx"):
            sys.modules.pop(name, None)

    forget()
    yield make
    forget()
    os.environ.pop("NEURON_PLATFORM_TARGET_OVERRIDE", None)
