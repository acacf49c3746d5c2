"""Integers on suspicious lines are sizes worth trying, and other integers are not."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from pytest_torchscript.results import Cause
from pytest_torchscript.tracing.size_hints import size_hints
from pytest_torchscript.tracing.trace import WarnedLine

SOURCE = textwrap.dedent(
    """
    WINDOW = 64


    class Model:
        BLOCK: int = 4 * 8

        def forward(self, x, y):
            n = x.shape[1]
            if n == 37:  # compared
                x = x * 1000
            if n > WINDOW:  # named
                x = x + 1
            if n > self.BLOCK:  # of the class
                x = x + 1
            limit = 2**4
            if limit < n:  # assigned
                x = x + 1
            if x.size(1) == y.shape[-1] and x.sum(2).any():  # dimensions only
                x = x.transpose(0, 1)
            for at in range(0, n, 12):  # loop
                x = x + 300
            z = x[:, :19] if n > 19 else x  # inline
            k = min(n, 50)  # value
            if n > 2**60 or n > 10**9:  # too large
                pass
            return helper(n)  # nothing
    """
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.py"
    path.write_text(SOURCE, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("mark", "hints"),
    [
        ("compared", (36, 37, 38)),
        ("named", (63, 64, 65)),
        ("of the class", (31, 32, 33)),
        ("assigned", (15, 16, 17)),
        ("dimensions only", ()),
        ("loop", (1, 11, 12, 13)),
        ("inline", (18, 19, 20)),
        ("value", (49, 50, 51)),
        ("too large", ()),
        ("nothing", ()),
    ],
)
def test_numbers_on_a_line(file: Path, mark: str, hints: tuple[int, ...]) -> None:
    line = next(n for n, text in enumerate(SOURCE.splitlines(), 1) if text.endswith(f"# {mark}"))
    assert size_hints([], [WarnedLine(str(file), line, "a tensor was read")]) == hints
    assert size_hints([Cause(str(file), line, "forward", "", "")], []) == hints


def test_lines_without_source_have_no_numbers(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("if n == 37\n", encoding="utf-8")
    notes = [WarnedLine("", 0, ""), WarnedLine("/nowhere/x.py", 3, ""), WarnedLine(str(broken), 1, "")]
    assert size_hints([Cause("<string>", 0, "f", "", "")], notes) == ()
