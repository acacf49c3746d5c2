from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pytest_torchscript.errors import OptionError
from pytest_torchscript.report.writers import check_writer, write_report, writer_for
from pytest_torchscript.results import ModelResult, RunReport

GOLDEN = Path(__file__).parents[2] / "golden"


def write(report: RunReport, ending: str) -> str:
    return writer_for(f"out{ending}")(report).decode()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            "out.xml",
            r"report 'out.xml': the ending '.xml' is unknown\n    hint: .*the endings are: .json, .md, .html, .png",
        ),
        ("out.htm", r"the ending '.htm' is unknown\n    hint: did you mean '.html'\?"),
        ("out", r"report 'out': it has no ending\n    hint: the endings are"),
    ],
)
def test_unknown_endings(path: str, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        check_writer(path)


def test_a_path_that_cannot_be_written_is_told_before_the_run(tmp_path: Path) -> None:
    check_writer(tmp_path / "out.JSON")
    check_writer("out.json")
    with pytest.raises(OptionError, match=r"the folder '.*gone' does not exist\n    hint: make it first: mkdir .*gone"):
        check_writer(tmp_path / "gone" / "out.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(OptionError, match="that is a folder"):
        check_writer(tmp_path / "folder.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match=r"'.*file' is not a folder"):
        check_writer(tmp_path / "file" / "out.json")


@pytest.mark.parametrize(
    ("path", "missing", "said"),
    [
        ("out.html", ("jinja2",), "it is made by jinja2, which is not installed"),
        ("out.HTML", ("jinja2", "matplotlib"), "it is made by jinja2 and matplotlib, which are not installed"),
        ("out.png", ("matplotlib",), "it is made by matplotlib, which is not installed"),
    ],
)
def test_what_a_format_needs_is_looked_for_before_the_run(
    path: str, missing: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in missing else object())
    with pytest.raises(OptionError, match=said) as caught:
        check_writer(path)
    assert "hint: pip install 'pytest-torchscript[report]', or write .json or .md" in str(caught.value)
    check_writer("out.md")


def test_a_report_is_written_in_one_step(tmp_path: Path, report: RunReport, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.json"
    write_report(path, RunReport(complete=False))
    path.chmod(0o640)

    def fails(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", fails)
        with pytest.raises(OptionError, match=r"out.json' could not be written: OSError: no space left on device"):
            write_report(path, report)
    assert json.loads(path.read_text(encoding="utf-8"))["complete"] is False
    write_report(path, report)
    assert json.loads(path.read_text(encoding="utf-8"))["complete"] is True
    assert [found.name for found in tmp_path.iterdir()] == ["out.json"]
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(OptionError, match="it may not be written"):
        check_writer(tmp_path / "out.json")


CODE_NOTE = "it takes its flat form:\n    class Flat:\n        def forward(self, x): return x"
INPUTS = '{\n    "x": TensorSpec("<batch>", 4),\n}'


def test_code_in_notes_and_inputs_found_keep_their_lines() -> None:
    report = RunReport(models=[ModelResult("m", notes=[CODE_NOTE], inputs_found=INPUTS)])
    text = write(report, ".md")
    assert "> it takes its flat form:\n\n```python\nclass Flat:\n    def forward(self, x): return x\n```\n" in text
    assert f"```python\n{INPUTS}\n```" in text
    assert json.loads(write(report, ".json"))["models"][0]["inputs_found"] == INPUTS


def test_an_interrupt_right_after_a_report_has_its_place_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def interrupted(source: str, target: Path) -> None:
        replace(source, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_report(tmp_path / "out.json", RunReport())
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]
