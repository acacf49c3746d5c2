"""Mechanisms of public bug reports: what is broken is found, told once, by its line; what is sound passes."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from field_run import UNSAVED, Told

FILE = Path(__file__).with_name("field_reports.py")


@dataclass(frozen=True)
class Broken:
    """What a right answer is: which checks fail, and no other; which verdicts an axis may have; whose line is named."""

    factory: str
    model: str
    fails: frozenset[str]
    verdicts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    anchor: Mapping[str, int] = field(default_factory=dict)


def broken(factory: str, model: str, *fails: str, anchor: Mapping[str, int] | None = None, **verdicts: str) -> Broken:
    allowed = {name: tuple(text.split(" or ")) for name, text in verdicts.items()}
    return Broken(factory, model, frozenset(fails), allowed, anchor or {})


BROKEN = (
    # A graph with fewer nodes than the trace says raises; one with more is wrong only where its links name them.
    broken("graph", "MessageRound", "axis[nodes]", "values", nodes="fixed or diverges", links="dynamic"),
    broken("graph_examples", "MessageRound", "values", anchor={"dim_nodes_0": 5}),
    broken("swapped", "Swapped", "outputs", batch="untested"),
    broken("bags", "Bags", "values"),
    broken("bags_examples", "Bags", "values"),
    broken("latest", "Latest", "values", batch="dynamic"),
    broken("cubed", "Cubed", "save_load", batch="dynamic"),
    # With the repeats of the trace every length is right, and no others can be drawn for another length.
    broken("held", "Held", "axis[batch]", "values", batch="fixed", time="dynamic or untested"),
    broken("pairs", "Pairs", "axis[steps]", steps="diverges"),
    broken("pairs_examples", "Pairs", "axis[batch]", batch="diverges", anchor={"batch": 8}),
)
SOUND = (
    "two_scales",
    "latest_number",
    "maps_and_boxes",
    "eight_bits",
    "echo",
    "phases",
    "turned",
    "half_precision",
)
#: Where saving is the question, or was once blamed for what the trace does.
SAVED = ("swapped", "bags", "cubed", "eight_bits", "maps_and_boxes")
NOTES = {
    "latest_number": ("last=3 is a constant of the export",),
    "maps_and_boxes": (
        "torch.jit.trace refuses the model as it is called here: RuntimeError",
        "return out[0], out[1][0], out[1][1][0]",
    ),
}


def multiplies_halves() -> bool:
    """Whether this torch has matrix products in half precision on the CPU: 1.13 has none."""
    try:
        torch.nn.Linear(1, 1).half()(torch.ones(1, 1).half())
    except RuntimeError:
        return False
    return True


def culprits(model: str) -> set[int]:
    """Return the marked lines of one class."""
    text = FILE.read_text(encoding="utf-8")
    found = next(node for node in ast.parse(text).body if isinstance(node, ast.ClassDef) and node.name == model)
    lines = text.splitlines()
    return {at for at in range(found.lineno, (found.end_lineno or 0) + 1) if lines[at - 1].endswith("# culprit")}


@pytest.mark.parametrize("expected", BROKEN, ids=lambda expected: expected.factory)
def test_what_is_broken_is_told_once_with_its_line(expected: Broken, run: Callable[..., Told]) -> None:
    told = run(f"field_reports:{expected.factory}", *(() if expected.factory in SAVED else UNSAVED))
    assert (told.ended("failed"), told.ended("error")) == (expected.fails, set())
    assert {
        name: verdict for name, verdict in told.verdicts.items() if verdict not in expected.verdicts.get(name, ())
    } == {name: "dynamic" for name in told.verdicts if name not in expected.verdicts}
    assert expected.anchor.items() <= told.anchor.items()
    assert told.lines & culprits(expected.model), told.lines
    assert len(told.terminal.splitlines()) <= 40, told.terminal
    assert "/pytest_torchscript/" not in told.terminal


@pytest.mark.parametrize("factory", SOUND if multiplies_halves() else SOUND[:-1])
def test_what_is_sound_passes(factory: str, run: Callable[..., Told]) -> None:
    told = run(f"field_reports:{factory}", *(() if factory in SAVED else UNSAVED))
    assert (told.ended("failed"), told.ended("error")) == (set(), set()), told.terminal
    assert set(told.verdicts.values()) == {"dynamic"}
    assert {"trace", "outputs", "values", "freeze"} | ({"save_load"} if factory in SAVED else set()) <= told.ended(
        "passed"
    )
    assert told.lines == set()
    assert [text for text in NOTES.get(factory, ()) if text not in told.notes] == [], told.notes
