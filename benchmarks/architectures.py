"""The tables of docs/architectures.md: architectures at tiny size through planning, eager, the tracer and the checks.

    python -m benchmarks.architectures [--only NAME ...]           those of benchmarks/lists.py, by their bare reference
    python -m benchmarks.architectures --all [--feed-only]         every base model of the installed transformers, from the
                                                                   configuration that its class makes by default
    python -m benchmarks.architectures --bare                      models of torchvision and timm and modules of torch, with no
                                                                   inputs beside them
    python -m benchmarks.architectures --all --count --page FILE   the page, from the rows that are there

``--feed-only`` asks whether a model can be built tiny, whether eager takes what it is fed, and whether it is traced: that
takes seconds. Each model runs in a child process that is held to ``--timeout`` seconds and ``--memory`` GB. Rows are kept in
``--records``, and made again only with ``--again KIND``: a kind of row, or ``bad`` for all that are not fed.
"""

from __future__ import annotations

import argparse
import functools
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from benchmarks.lists import ARCHITECTURES, NOT_BARE, bare
from benchmarks.page import all_table, bare_table, checked_table, totals
from benchmarks.rows import BARE, CHECKED, FED, FEED, FULL, TABLE, make_row, model_types
from benchmarks.sweep import Row, Sweep


def main() -> None:
    """Run a table, or lay out the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--bare", action="store_true")
    parser.add_argument("--feed-only", action="store_true")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=None)
    parser.add_argument("--again", nargs="*", default=())
    parser.add_argument("--timeout", type=float, default=120)
    parser.add_argument("--memory", type=float, default=14)
    parser.add_argument("--records", type=Path, default=Path(".architectures.jsonl"))
    parser.add_argument("--page", type=Path, default=None, help="write the page, of the rows that are there")
    parser.add_argument("--count", action="store_true", help="only count the rows that are there, by kind")
    options = parser.parse_args()
    preload = ("torch", "transformers", "transformers.modeling_utils", "pytest_torchscript.lab.plan", "benchmarks.rows")
    sweep = Sweep(
        options.records, workers=options.workers, seconds=options.timeout, gigabytes=options.memory, preload=preload
    )
    if options.bare:
        kind, names = BARE, bare()
    elif options.all:
        kind, names = (FEED if options.feed_only else FULL), model_types()
    else:
        kind, names = TABLE, list(ARCHITECTURES)
    names = [f"{kind}/{name}" for name in options.only or names]
    if not options.count:  # with --page it only lays out
        again = functools.partial(_again, kinds=options.again)
        sweep.run(names, make_row, again=again)
    rows = [sweep.rows[name] for name in names if name in sweep.rows]
    print(json.dumps(Counter(row["kind"] for row in rows).most_common()))
    if options.page:
        options.page.write_text(page(sweep.rows), encoding="utf-8")


def page(rows: Mapping[str, Row]) -> str:
    """Return docs/architectures.md, of the rows that are there."""
    import torch
    import transformers

    from pytest_torchscript.inputs.rules import SPECIAL

    table, feed, full, plain = (
        {name.partition("/")[2]: row for name, row in rows.items() if name.startswith(f"{kind}/")}
        for kind in (TABLE, FEED, FULL, BARE)
    )
    release = f"torch {torch.__version__} and transformers {transformers.__version__}"
    said = "Verdicts are about a trace at our main anchor; line numbers are those of this transformers release."
    parts = [f"# Architectures\n\nAt tiny size, with {release}. {said}"]
    if table:
        listed = {name: table[name] for name in ARCHITECTURES if name in table}
        seconds = sum(row["seconds"] for row in listed.values())
        missing = [name for name in ARCHITECTURES if name not in table]
        parts += [
            f"## {len(listed)} architectures from their bare reference",
            "    python -m benchmarks.architectures",
            f"{seconds / 60:.0f} minutes on one worker, beside other work.",
            *([f"Not run with this release: {', '.join(missing)}."] if missing else []),
            checked_table(listed),
        ]
    if feed or full:
        best = {
            **full,
            **{name: row for name, row in feed.items() if name not in full or full[name]["kind"] != CHECKED},
        }
        parts += [
            "## Every base model, from the configuration its class makes by default",
            "    python -m benchmarks.architectures --all --feed-only\n    python -m benchmarks.architectures --all",
            totals(best.values()),
            f"Those with verdicts ({len(full)}) went through the checks, the others as far as the tracer. {_pictures(best)}",
            f"Rules by the name of a class ({len(SPECIAL)}): {', '.join(SPECIAL)}.",
            all_table(feed, full),
        ]
    if plain:
        wanted = [row for name, row in plain.items() if name not in NOT_BARE]
        found = sum(row["kind"] in FED for row in wanted)
        said = f"{found} of {len(wanted)} are fed, the last {len(plain) - len(wanted)} are refused."
        beside = " and with ".join(sorted({row["with"] for row in plain.values()}))
        minutes = sum(row["seconds"] for row in plain.values()) / 60
        parts += [
            "## Handed over bare",
            "    python -m benchmarks.architectures --bare",
            f"Models of torchvision and timm and modules of torch, with no inputs beside them: {said}",
            f"Made with {beside}, in {minutes:.0f} minutes on one worker, beside other work.",
            bare_table(plain),
        ]
    return "\n\n".join(parts) + "\n"


def _pictures(rows: Mapping[str, Row]) -> str:
    notes = [note for row in rows.values() for note in row.get("notes", ())]
    alone = sum(note.startswith("the text is fed without pictures") for note in notes)
    with_grid = sum({"input_ids", "pixel_values"} <= set(row.get("inputs", ())) for row in rows.values())
    asked = sum(note.startswith("the inputs were found by asking") for note in notes)
    return (
        f"{with_grid} are fed texts and pictures together; {alone} take pictures in a text and were fed the text alone, for no "
        f"way was found to give the pictures; the inputs of {asked} were found by asking."
    )


def _again(row: Row, *, kinds: list[str]) -> bool:
    return row["kind"] in kinds or ("bad" in kinds and row["kind"] not in FED) or "all" in kinds


if __name__ == "__main__":
    main()
