"""docs/naming-lines.md tells what `explain` says: its model, its command and its output, as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pytest_torchscript
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


@pytest.mark.parametrize("page", ["docs/naming-lines.md", "CONTRIBUTING.md"])
def test_files_that_a_page_names_are_there(page: str) -> None:
    root = DOCS.parents[1]
    package = Path(pytest_torchscript.__file__).parent  # not beside the tests where a wheel is tested
    folders = (root, package.parent, package, package / "tracing", root / "tests/unit/tracing", root / "tests/corpus")
    named = set(
        re.findall(r"`([\w./-]+\.(?:py|md|txt|json)|[\w.]+/[\w./]*)`", (root / page).read_text(encoding="utf-8"))
    )
    assert len(named) > 8
    missing = [name for name in named if not any((folder / name).exists() for folder in folders)]
    assert missing == (["pooled.py"] if page.startswith("docs") else [])
