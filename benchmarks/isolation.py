"""What a process of its own costs: the same model with and without, the checks' seconds and those of the start.

    python -m benchmarks.isolation [REF] [--runs N] [-k CHECKS]

Seconds are those of the processor, of the run and of all its processes: a busy machine stretches a clock, and hardly these.
A run of one cheap check is the start (Python, torch, planning, building); what a run takes beyond it are the checks. Runs
alternate, and the fastest of each kind counts.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile

#: What a run asks that is only to start: it needs the model, and calls it once.
START = ("-k", "tied_weights")


def measured(reference: str, mode: str, chosen: list[str]) -> float:
    """Return the seconds that the processor worked for one run."""
    import resource

    words = ["--torchscript-model", reference, "--torchscript-isolate", mode]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words, *chosen]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("reference", nargs="?", default="bert-base-uncased")
    parser.add_argument("--runs", type=int, default=3)
    given, chosen = parser.parse_known_args()
    least: dict[tuple[str, bool], float] = {}
    for _ in range(given.runs):
        for whole in (False, True):
            for mode in ("off", "on"):
                seconds = measured(given.reference, mode, chosen if whole else list(START))
                least[mode, whole] = min(seconds, least.get((mode, whole), seconds))
                print(f"isolate {mode:3} {'all checks' if whole else 'start     '} {seconds:7.2f} s", flush=True)
    off, on = (least[mode, True] - least[mode, False] for mode in ("off", "on"))
    start = least["on", False] - least["off", False]
    print(f"checks {on / off:.3f} times as long in a process of its own, the start {start:+.2f} s")


if __name__ == "__main__":
    main()
