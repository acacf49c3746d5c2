"""What of the corpus's defects is found in another dtype: ``python -m benchmarks.dtypes [--dtype bfloat16]``.

Every model of the corpus is checked in float32 and in the other dtype. The table of those that part is printed, and written to
docs/devices.md between its marks.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.finding_power import is_broken
from pytest_torchscript import check
from pytest_torchscript.errors import Error
from tests.corpus.base import Specimen
from tests.corpus.table import SPECIMENS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "devices.md"
BEGIN, END = "<!-- python -m benchmarks.dtypes -->", "<!-- end of the table -->"
CHECKS = ("trace", "determinism", "history", "outputs", "axis", "joint", "values", "sensitivity", "padding", "freeze")
FOUND, MISSED, UNDECIDED, REFUSED = "found", "passes", "undecidable", "not taken"


def main(arguments: list[str] | None = None) -> int:
    """Check all models twice, print and write the table; 1 where a sound model fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("-k", dest="part", default="", help="only specimens whose name contains this")
    parser.add_argument("--output", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    start = time.perf_counter()
    chosen = [specimen for specimen in SPECIMENS if options.part in specimen.name]
    answers = {specimen.name: asked(specimen, options.dtype) for specimen in chosen}
    broken = [specimen.name for specimen in chosen if is_broken(specimen)]
    sound = [specimen.name for specimen in chosen if not is_broken(specimen)]
    alarms = [name for name in sound if answers[name][0] == FOUND]
    table = "\n".join(lines(options.dtype, answers, broken, sound, alarms))
    print(table)
    print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
    page = options.output.read_text(encoding="utf-8")
    head, _, rest = page.partition(BEGIN)
    _, mark, tail = rest.partition(END)
    if mark:
        options.output.write_text(f"{head}{BEGIN}\n{table}\n{END}{tail}", encoding="utf-8")
    return 1 if alarms else 0


def asked(specimen: Specimen, dtype: str) -> tuple[str, str]:
    """Return what becomes of one model, and why it is not found."""
    try:
        result = check(
            specimen.factory(),
            inputs=specimen.inputs,
            anchor=specimen.anchor,
            name=specimen.name,
            checks=CHECKS,
            dtype=dtype,
        )
    except Error as error:
        lines = str(error).splitlines()
        at = next((line.strip() for line in lines if line.strip().startswith("at ")), "")
        return REFUSED, f"{lines[1].strip() if len(lines) > 1 else lines[0]} {short(at)}".strip()
    if result.failures:
        return FOUND, ", ".join(item.name for item in result.failures)
    skips = [item for item in result.checks if "undecidable" in item.message or "blind" in item.message]
    if skips:
        said = skips[0].message.splitlines()[0]
        return UNDECIDED, f"{skips[0].name}: {said[:140]}"
    return MISSED, ""


def short(place: str) -> str:
    """Return a place without the folders of its file."""
    path, _, rest = place.removeprefix("at ").partition(":")
    return f"at {Path(path).name}:{rest}" if rest else place


def lines(
    dtype: str, answers: dict[str, tuple[str, str]], broken: list[str], sound: list[str], alarms: list[str]
) -> Iterator[str]:
    """Yield the lines of the page."""
    found = [name for name in broken if answers[name][0] == FOUND]
    yield f"Of {len(broken)} broken models of the corpus {len(found)} are found in {dtype}; of {len(sound)} sound ones"
    yield f"{len(alarms)} fail. (torch {torch.__version__.partition('+')[0]}, on a CPU.) Not found are:"
    yield ""
    yield f"| broken model | in {dtype} | why |"
    yield "|---|---|---|"
    for name in broken:
        what, why = answers[name]
        if what != FOUND:
            told = why.replace("|", "\\|") or "the difference is smaller than the rounding of both sides"
            yield f"| `{name}` | {what} | {told} |"
    refused = [name for name in sound if answers[name][0] == REFUSED]
    if refused:
        yield ""
        yield f"Sound models that do not run in {dtype}, each told by operation and line: {', '.join(refused)}."
    if alarms:
        yield ""
        yield f"Sound models that fail: {', '.join(f'{name} ({answers[name][1]})' for name in alarms)}."


if __name__ == "__main__":
    sys.exit(main())
