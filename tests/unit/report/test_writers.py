from __future__ import annotations

import json
import struct
import zlib
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pytest_torchscript.errors import OptionError
from pytest_torchscript.report.markdown import code, to_markdown
from pytest_torchscript.report.writers import check_writer, writer_for
from pytest_torchscript.results import CheckResult, ExportResult, ModelResult, RunReport

GOLDEN = Path(__file__).parents[2] / "golden"


def write(report: RunReport, ending: str) -> str:
    return writer_for(f"out{ending}")(report).decode()


def test_json_is_the_record(report: RunReport) -> None:
    text = write(report, ".json")
    assert text == (GOLDEN / "report.json").read_text(encoding="utf-8")
    assert json.loads(text) == report.to_dict()


def test_json_holds_nan_and_infinity_as_strings(report: RunReport) -> None:
    report.models[0].exports[0].axes[0].max_abs_difference = float("nan")
    report.models[0].exports[0].axes[1].max_abs_difference = float("inf")
    axes = json.loads(write(report, ".json"))["models"][0]["exports"][0]["axes"]
    assert [axis["max_abs_difference"] for axis in axes[:2]] == ["nan", "inf"]


def test_markdown(report: RunReport) -> None:
    assert write(report, ".md") == (GOLDEN / "report.md").read_text(encoding="utf-8")


def test_markdown_shows_signs_as_they_are() -> None:
    assert code("a|b `c` <i> _d_") == "<code>a&#124;b &#96;c&#96; &lt;i&gt; &#95;d&#95;</code>"


def test_markdown_fits_a_job_summary() -> None:
    checks = [CheckResult(f"check {number}", "failed", 1.0, "x" * 10_000) for number in range(10)]
    models = [ModelResult(f"m{number}", exports=[ExportResult("torchscript", checks=checks)]) for number in range(40)]
    text = to_markdown(RunReport(models=models))
    assert len(text) < 1024**2
    assert text.endswith(b"larger than a job summary may be.\n")


def test_markdown_of_nothing() -> None:
    assert write(RunReport(), ".md").startswith("# TorchScript: no model was checked\n")


class Page(HTMLParser):
    """Collects what a page shows and what it would load, and checks that its tags are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.shown: list[str] = []
        self.loaded: list[str] = []
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loaded += [
            str(value) for name, value in attrs if name in ("src", "href") and not str(value).startswith("#")
        ]
        if tag not in ("meta", "br", "circle", "line"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("circle", "line"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.shown.append(data)


def test_html_is_whole_and_loads_nothing(report: RunReport) -> None:
    page = Page(write(report, ".html"))
    assert page.open == []
    assert page.loaded == []
    assert not page.tags & {"b", "script", "link", "img"}
    shown = "".join(page.shown)
    for text in (
        "bert-base-uncased",
        "tests/x.py::test_y[<b>_a_|`b`]",
        "BertModel, 109.5 M parameters, random weights",
        "the Hub cannot be reached",
        "torch.arange(start, stop, -pooled)",
        "…/models/funnel/modeling_funnel.py:218 in relative_pos",
        "line not known",
        "output [0]: 2.58 <b>&",
        "declared fixed at 64",
        "batch × sequence × 768",
        "kind: emulated, subgraphs: 1",
        "37 padded to sequence=128",
    ):
        assert text in shown


def test_html_of_nothing() -> None:
    assert "No model was checked." in write(RunReport(), ".html")


def pixels(png: bytes) -> tuple[int, int, bytes]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    place, data, size = 8, b"", (0, 0)
    while place < len(png):
        length, kind = struct.unpack(">I4s", png[place : place + 8])
        body = png[place + 8 : place + 8 + length]
        (check,) = struct.unpack(">I", png[place + 8 + length : place + 12 + length])
        assert check == zlib.crc32(kind + body)
        if kind == b"IHDR":
            size = struct.unpack(">II", body[:8])
        data += body if kind == b"IDAT" else b""
        place += 12 + length
    return (*size, zlib.decompress(data))


def test_png_is_a_map_with_a_red_disc_for_the_failure(report: RunReport) -> None:
    width, height, data = pixels(writer_for("map.png")(report))
    assert len(data) == height * (1 + 3 * width)
    red, green = bytes((207, 34, 46)), bytes((26, 127, 55))
    assert data.count(red) > 50
    assert data.count(green) > 50
    report.models.pop()
    assert red not in pixels(writer_for("map.png")(report))[2]


def test_png_of_nothing() -> None:
    assert pixels(writer_for("map.png")(RunReport()))[0] == 1000


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
    page = write(report, ".html")
    assert "<li>it takes its flat form:<pre>class Flat:\n    def forward(self, x): return x</pre></li>" in page
    assert "&lt;batch&gt;" in page
    assert json.loads(write(report, ".json"))["models"][0]["inputs_found"] == INPUTS
