"""Whose line it is, which expression on it is marked, and what is said of lines that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_torchscript.tracing.causes import make_cause
from pytest_torchscript.tracing.frames import Frame, source_line


def test_a_line_is_quoted_where_it_can_be_read() -> None:
    frame = Frame(__file__, 1, "<module>")
    assert source_line(frame).startswith('"""Whose line it is')
    cause = make_cause((frame,), "7 became 11")
    assert (cause.file, cause.line, cause.evidence) == (__file__, 1, "7 became 11")


def test_a_line_that_cannot_be_read_says_so() -> None:
    absent = make_cause((Frame("/nowhere/model.py", 12, "forward"),), "7 became 11")
    assert str(absent) == "/nowhere/model.py:12 in forward: 7 became 11 (the source cannot be read)"
    generated = make_cause((Frame("<string>", 2, "forward"),), "7 became 11")
    assert str(generated) == "line not known: 7 became 11 (in generated code)"
    called = make_cause((Frame("<string>", 2, "g"), Frame("/me/model.py", 3, "f")), "7 became 11")
    assert called.evidence.endswith("(in generated code, called at /me/model.py:3)")
    assert str(make_cause((), "7 became 11")) == "line not known: 7 became 11"


@pytest.mark.parametrize(
    ("line", "marked"),
    [
        ("return hidden.sum(1) / float(hidden.shape[1])", "float(hidden.shape[1])"),
        ("if x.shape[1] > 16:", "x.shape[1] > 16"),
        ("for index in range(x.shape[1]):", "range(x.shape[1])"),
        ("while n < x.size(0):", "n < x.size(0)"),
        ("assert x.shape[0] == 2, 'two'", "x.shape[0] == 2"),
        ("y = x[:, : x.shape[1]]", "x.shape[1]"),
        ("y = a if x.sum().item() > 3 else b", "x.sum().item() > 3"),
        ("größe = 'ä' + str(x.size(1))", "str(x.size(1))"),
        ("y = torch.arange(start, stop, -pooled)", "torch.arange(start, stop, -pooled)"),
        ("scale = math.sqrt(x.size(-1))", "math.sqrt(x.size(-1))"),
        ("helper(x)", "helper(x)"),
    ],
)
def test_the_expression_is_marked(tmp_path: Path, line: str, marked: str) -> None:
    body = "\n            pass" if line.endswith(":") else ""
    path = tmp_path / "model.py"
    path.write_text(f"class Model:\n    def forward(self, x):\n        {line}{body}\n", encoding="utf-8")
    cause = make_cause((Frame(str(path), 3, "forward"),), "7 became 11")
    assert cause.source[cause.column - 1 : cause.end_column] == marked
    source, carets = cause.marked
    assert (source, carets) == (line, " " * line.index(marked) + "^" * len(marked))


@pytest.mark.parametrize(
    ("evidence", "marked"),
    [
        ("2.0 became 1.0", "float(x.shape[0])"),
        ("3 became 2", "int(near)"),
        ("True became False", "int(near)"),
        ("", "int(near)"),
    ],
)
def test_of_several_readings_the_evidence_chooses(tmp_path: Path, evidence: str, marked: str) -> None:
    path = tmp_path / "model.py"
    path.write_text("def f(x, near):\n    return x[:, :int(near)].sum((0, 1)) / float(x.shape[0])\n", encoding="utf-8")
    cause = make_cause((Frame(str(path), 2, "f"),), evidence)
    assert cause.source[cause.column - 1 : cause.end_column] == marked


@pytest.mark.parametrize(
    ("operation", "marked"),
    [("", "i.shape[0]"), ("ones", "i.shape[0]"), ("sparse_coo_tensor", "x.shape[1]"), ("relu", "i.shape[0]")],
)
def test_the_arguments_of_the_operation_are_meant(tmp_path: Path, operation: str, marked: str) -> None:
    path = tmp_path / "model.py"
    line = "y = torch.sparse_coo_tensor(i, torch.ones(i.shape[0]), (x.shape[1], x.shape[1]))"
    path.write_text(f"{line}\n", encoding="utf-8")
    cause = make_cause((Frame(str(path), 1, "f"),), "11 became 13", operation)
    assert cause.source[cause.column - 1 : cause.end_column] == marked


def test_an_expression_over_several_lines_is_marked_on_its_own(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text("y = reshape(\n    int(\n        x.shape[1]\n    )\n)\n", encoding="utf-8")
    first, second = (make_cause((Frame(str(path), line, "f"),), "") for line in (2, 3))
    assert first.marked == ["int(", "^^^^"]
    assert second.marked == ["x.shape[1]", "^^^^^^^^^^"]


def test_nothing_is_marked_where_there_is_no_source() -> None:
    assert make_cause((Frame("/nowhere/model.py", 12, "forward"),), "7 became 11").marked == []
    without = make_cause((Frame(__file__, 3, "<module>"),), "7 became 11")
    assert without.marked == ["from __future__ import annotations"]
