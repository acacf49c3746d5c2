"""benchmarks/sweep.py: a child that crashes, hangs or takes too much memory costs its own row, and rows are kept."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks.sweep import CRASH, MEMORY, TIME, Row, Sweep

if sys.platform == "win32":
    pytest.skip("children are forked", allow_module_level=True)


def work(name: str) -> Row:
    if name == "dies":
        os._exit(3)
    if name == "hangs":
        time.sleep(60)
    if name == "eats":
        bytearray(4 << 30)
    if name == "raises":
        raise ValueError("no such model")
    return {"kind": "well", "glance": name}


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return Sweep(tmp_path / "rows.jsonl", workers=2, seconds=3, gigabytes=2, preload=())


def test_each_costs_its_own_row(sweep: Sweep) -> None:
    sweep.run(["dies", "hangs", "eats", "raises", "sound"], work)
    told = {name: (row["kind"], row.get("why")) for name, row in sweep.rows.items()}
    assert told == {
        "dies": (CRASH, "the process ended with exit code 3"),
        "hangs": (TIME, "no answer within 3 seconds"),
        "eats": (MEMORY, "needs more than 2 GB"),
        "raises": (CRASH, "ValueError: no such model"),
        "sound": ("well", None),
    }


def test_rows_are_kept_and_made_again_on_request(sweep: Sweep, tmp_path: Path) -> None:
    sweep.run(["sound"], work)
    later = Sweep(tmp_path / "rows.jsonl", workers=1, seconds=3, gigabytes=2, preload=())
    later.run(["sound", "raises"], work)
    later.run(["sound", "raises"], work, again=lambda row: row["kind"] == CRASH)
    names = [json.loads(line)["name"] for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert names == ["sound", "raises", "raises"]
