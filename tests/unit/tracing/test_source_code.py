"""Which statement decides, read from source."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

import pytest

from pytest_torchscript.tracing.frames import Frame
from pytest_torchscript.tracing.source_code import (
    assigned_names,
    branches_around,
    decision_line,
    first_write,
    is_settled,
    loops_around,
    origins,
    parameters,
)

SOURCE = textwrap.dedent(
    """\
    def forward(self, x, n):
        if self.deep:
            if n > 3:
                x = x * 2
            y = x + 1
        if x is None:
            return x
        if n > 5:
            return x
        for at in range(n):
            for layer in self.layers:
                x = layer(x)
        z = x * 2 if n > 7 else x
        m = n // 2
        self.size, k = m, 3
        return [x for x in z]
    """
)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "model.py"
    path.write_text(SOURCE, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("line", "elsewhere", "decisions"),
    [
        (4, {5}, [3]),  # the outer branch was taken by both
        (4, set(), [3, 2]),  # what asks a setting comes last
        (12, {5}, [10, 8, 11, 2, 6][:2]),
        (13, set(), [13, 8]),
    ],
)
def test_branches_are_named_most_telling_first(file: str, line: int, elsewhere: set[int], decisions: list[int]) -> None:
    found = branches_around(Frame(file, line, "forward"), elsewhere)
    assert [decision_line(node) for node in found][: len(decisions)] == decisions


def test_loops_are_named_from_the_inside(file: str) -> None:
    loops = loops_around(Frame(file, 12, "forward"))
    assert [decision_line(node) for node in loops] == [11, 10]
    assert [is_settled(node) for node in loops] == [True, False]
    assert len(loops_around(Frame(file, 16, "forward"))) == 1


@pytest.mark.parametrize(
    ("test", "settled"),
    [
        ("self.training", True),
        ("x is None and self.flag", True),
        ("isinstance(x, self.kind)", False),
        ("n > 3", False),
        ("x is not None and n > 3", False),
    ],
)
def test_a_test_that_no_input_can_change_is_settled(test: str, settled: bool) -> None:
    assert is_settled(ast.parse(f"if {test}: pass").body[0]) is settled


def test_names_are_followed_back(file: str) -> None:
    frame = Frame(file, 15, "forward")
    assert assigned_names(frame) == {"self.size", "k"}
    assert {"m", "n"} <= origins(frame, {"self.size"})
    assert parameters(frame) == {"x", "n"}
    assert origins(Frame("/nowhere.py", 3, "f"), {"a"}) == {"a"}
    assert parameters(Frame("/nowhere.py", 3, "f")) == set()
    assert branches_around(Frame("/nowhere.py", 3, "f"), ()) == []


def test_the_first_write_into_a_name_is_found(tmp_path: Path) -> None:
    path = tmp_path / "writes.py"
    path.write_text(
        "def f(x):\n    a = x\n    b[0] = 1\n    a = x\n    c = a[0]\n    a[1:, 0] = c\n    a += 1\n", encoding="utf-8"
    )
    frame = Frame(str(path), 2, "f")
    assert [first_write(frame, {name}) for name in ("a", "b", "c", "x")] == [6, 3, None, None]
    assert first_write(Frame(str(path), 6, "f"), {"a"}) == 7
    assert first_write(Frame("/nowhere.py", 3, "f"), {"a"}) is None
