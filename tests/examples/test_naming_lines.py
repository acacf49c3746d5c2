"""docs/naming-lines.md tells what `explain` says: its model, its command and its output, as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_torchscript.__main__ import main

DOCS = Path(__file__).parents[2] / "docs" / "naming-lines.md"


def test_the_worked_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = DOCS.read_text(encoding="utf-8")
    model, said = re.findall(r"^```(?:python)?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    command = re.search(r"`python -m pytest_torchscript (explain [^`]+)`", text)
    assert command is not None
    (tmp_path / "pooled.py").write_text(model, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main(command.group(1).split()) == 0
    assert capsys.readouterr().out == said


def test_files_that_the_page_names_are_there() -> None:
    text = DOCS.read_text(encoding="utf-8")
    root = Path(__file__).parents[2]
    tracing = {path.name for path in (root / "pytest_torchscript" / "tracing").glob("*.py")}
    tests = {path.name for path in (root / "tests" / "unit" / "tracing").glob("*.py")}
    named = {name.rpartition("/")[2] for name in re.findall(r"`([\w/]+\.py)`", text)}
    assert named <= tracing | tests | {"pooled.py"}
