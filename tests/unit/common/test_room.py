"""What is left of the memory, and the most that was held, as the system tells it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pytest_torchscript.common.room import forget_peak, free_memory, give_back, peak_memory


def system(folder: Path, *, cgroup: str = "", **files: str) -> dict[str, Path]:
    """Write down what a system would say; ``files`` by their path in its control groups, with ``__`` for the slash."""
    (folder / "proc" / "self").mkdir(parents=True)
    (folder / "proc" / "meminfo").write_text("MemTotal: 99 kB\nMemAvailable:   10 kB\n")
    (folder / "proc" / "self" / "status").write_text("VmHWM:\t   7 kB\nVmRSS:\t   3 kB\n")
    (folder / "proc" / "self" / "cgroup").write_text(cgroup)
    for name, text in files.items():
        file = folder / "groups" / name.replace("__", "/").replace("-", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return {"proc": folder / "proc", "groups": folder / "groups"}


def test_the_machine_says_what_is_available(tmp_path: Path) -> None:
    assert free_memory(**system(tmp_path)) == 10 * 1024


def test_a_limit_of_its_own_counts_less_what_is_held(tmp_path: Path) -> None:
    files = system(tmp_path)
    assert free_memory(5 * 1024, **files) == 2 * 1024
    assert free_memory(1024, **files) == 0


@pytest.mark.parametrize(
    ("cgroup", "folder", "names"),
    [
        ("0::/box/inner\n", "box", ("memory-max", "memory-current", "inactive_file")),
        (
            "5:cpu:/\n4:memory:/box\n",
            "memory__box",
            ("memory-limit_in_bytes", "memory-usage_in_bytes", "total_inactive_file"),
        ),
    ],
    ids=["second", "first"],
)
def test_a_control_group_around_it_counts(
    cgroup: str, folder: str, names: tuple[str, str, str], tmp_path: Path
) -> None:
    most, held, cache = names
    files = {
        f"{folder}__{most}": "8192",
        f"{folder}__{held}": "7000",
        f"{folder}__memory-stat": f"anon 1\n{cache} 100\n",
    }
    assert free_memory(**system(tmp_path, cgroup=cgroup, **files)) == 8192 - 7000 + 100


@pytest.mark.parametrize("unlimited", ["max", str(2**63 - 4096)])
def test_a_group_without_a_limit_is_none(unlimited: str, tmp_path: Path) -> None:
    files = {"memory-max": unlimited, "memory-current": "1", "memory-stat": ""}
    assert free_memory(**system(tmp_path, cgroup="0::/\n", **files)) == 10 * 1024


def test_where_nobody_knows_nothing_is_said(tmp_path: Path) -> None:
    assert free_memory(1.0, proc=tmp_path, groups=tmp_path) is None
    assert peak_memory(proc=tmp_path) is None
    assert not forget_peak(proc=tmp_path)


def test_the_peak_is_read_and_forgotten(tmp_path: Path) -> None:
    files = system(tmp_path)
    assert peak_memory(proc=files["proc"]) == 7 * 1024
    assert forget_peak(proc=files["proc"])
    assert (files["proc"] / "self" / "clear_refs").read_text() == "5"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells")
def test_this_process_has_a_peak() -> None:
    held = bytearray(64 << 20)
    peak = peak_memory()
    assert peak is not None
    assert peak > len(held)
    left = free_memory()
    assert left is not None
    assert left > 0


@pytest.mark.skipif(sys.platform != "linux", reason="the C library of others keeps nothing")
def test_what_was_freed_in_pieces_is_given_back() -> None:
    pieces = [bytearray(1 << 16) for _ in range(2000)]
    last = bytearray(1 << 16)  # keeps the end of the heap
    del pieces
    give_back()
    assert len(last)
