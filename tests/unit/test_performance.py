"""benchmarks/performance.py: figures, their bounds and the table; what is measured is not measured here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from benchmarks import performance
from benchmarks.performance import BEGIN, END, Figure, main, write_page

SLOW = Figure("tiny", "a model", 2.5, "s", "<= 1.2")
FAST = Figure("workers", "two", 1.75, "x", ">= 1.6")
PLAIN = Figure("tiny", "passes", 1234, "passes")


def test_a_figure_says_whether_it_keeps_its_bound() -> None:
    assert (SLOW.holds, FAST.holds, PLAIN.holds) == (False, True, None)
    assert SLOW.row() == "| tiny | a model | 2.50 s | <= 1.2 | **no** |"
    assert PLAIN.row() == "| tiny | passes | 1,234.00 passes |  |  |"


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Figure]]:
    """Parts that return what stands here."""
    figures = {"tiny": [PLAIN], "workers": [FAST]}

    def part(name: str) -> Callable[[], Iterable[Figure]]:
        return lambda: figures[name]

    monkeypatch.setattr(performance, "PARTS", {name: part(name) for name in figures})
    return figures


def test_parts_are_measured_alone_and_others_stay_in_the_file(
    measured: dict[str, list[Figure]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"
    assert main(["workers", "--json", str(file)]) == 0
    assert main(["tiny", "--json", str(file)]) == 0
    measured["tiny"] = [SLOW]
    assert main(["tiny", "--json", str(file)]) == 1
    record = json.loads(file.read_text())
    assert [figure["what"] for figure in record["figures"]] == ["a model", "two"]
    assert {"machine", "python", "torch"} <= set(record["environment"])
    assert "1.75 x" in capsys.readouterr().out


def test_the_table_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\n{BEGIN}\nof yesterday\n{END}\n\nthe rest\n")
    for _ in range(2):
        write_page([SLOW, FAST], {"machine": "2 cores", "torch": "2.13"}, page)
    text = page.read_text()
    assert text.startswith(f"# Title\n\n{BEGIN}\n\n2 cores, torch 2.13.\n")
    assert text.endswith(f"{END}\n\nthe rest\n")
    assert text.count(SLOW.row()) == 1
    assert "yesterday" not in text


def test_the_page_has_a_place_for_it() -> None:
    text = performance.PAGE.read_text(encoding="utf-8")
    assert text.index(BEGIN) < text.index(END)
