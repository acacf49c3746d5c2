"""What a process of its own costs: the same model with and without, the checks' seconds and those of the start.

    python -m benchmarks.isolation [REF] [--runs N]

Runs alternate, so that a busy machine slows both. The checks' seconds are those of the record; what a run takes beside
them is starting, planning and building.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def measured(reference: str, mode: str, chosen: list[str]) -> tuple[float, float]:
    """Return the seconds of one run's checks, and those of all the rest."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "out.json")
        words = ["--torchscript-model", reference, "--torchscript-isolate", mode, "--torchscript-report", str(report)]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words, *chosen]
        began = time.perf_counter()
        subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=False)
        whole = time.perf_counter() - began
        models = json.loads(report.read_text(encoding="utf-8"))["models"]
    checks = sum(check["seconds"] for model in models for export in model["exports"] for check in export["checks"])
    return checks, whole - checks


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("reference", nargs="?", default="bert-base-uncased")
    parser.add_argument("--runs", type=int, default=3)
    given, chosen = parser.parse_known_args()
    found: dict[str, list[tuple[float, float]]] = {"off": [], "on": []}
    for _ in range(given.runs):
        for mode, rows in found.items():
            rows.append(measured(given.reference, mode, chosen))
            print(f"{mode:4} checks {rows[-1][0]:7.2f} s, the rest {rows[-1][1]:6.2f} s", flush=True)
    off, on = ([statistics.median(column) for column in zip(*found[mode])] for mode in ("off", "on"))
    print(
        f"median: checks {on[0] / off[0]:.3f} times as long in a process of its own, the rest {on[1] - off[1]:+.2f} s"
    )


if __name__ == "__main__":
    main()
