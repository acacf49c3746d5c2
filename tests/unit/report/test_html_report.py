"""The page: whole, self-contained, told without colour, and all that comes from a model escaped. Its text is a golden file."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pytest_torchscript.report.writers import writer_for
from pytest_torchscript.results import AxisResult, Cause, CheckResult, ExportResult, ModelResult, RunReport

pytest.importorskip("jinja2", reason="Jinja2 makes the page")
pytest.importorskip("matplotlib", reason="matplotlib draws its pictures")

GOLDEN = Path(__file__).parents[2] / "golden" / "report.html"
_EMPTY = {"meta", "br", "input", "path", "use", "rect"}


def page_of(report: RunReport) -> str:
    return writer_for("out.html")(report).decode()


class Page(HTMLParser):
    """Collects what a page shows, what it would load and its ids, and checks that its tags are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.shown: list[str] = []
        self.loaded: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "action") and not str(value).startswith("#"):
                self.loaded.append(str(value))
            if name == "id":
                self.ids.append(str(value))
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _EMPTY:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"}.intersection(self.open):
            self.shown.append(data)


def test_the_page_is_as_it_was(report: RunReport) -> None:
    without_pictures = re.sub(r"<svg .*?</svg>", "<svg/>", page_of(report), flags=re.DOTALL)
    assert without_pictures == GOLDEN.read_text(encoding="utf-8")


def test_it_is_whole_and_loads_nothing(report: RunReport) -> None:
    page = Page(page_of(report))
    assert page.open == []
    assert page.loaded == []
    assert len(page.ids) == len(set(page.ids))
    assert not {"b", "link", "img", "iframe"}.intersection(page.tags)
    assert page.tags.count("script") == page.tags.count("style") - page.tags.count("svg") == 1
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
        "sizes tried of sequence: 1 differs, 2 agrees; traced at batch=2 sequence=16",
    ):
        assert text in shown


def test_failing_models_stand_first_and_open(report: RunReport) -> None:
    text = page_of(report)
    assert re.findall(r'data-state="(\w+)"( open)?', text) == [("failed", " open"), ("passed", "")]


def test_nothing_was_checked() -> None:
    text = page_of(RunReport())
    assert "No model was checked." in text
    assert Page(text).open == []


def test_a_run_that_was_cut_short_says_so(report: RunReport) -> None:
    report.complete = False
    assert "incomplete: the run was cut short" in "".join(Page(page_of(report)).shown)


NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m{{ 7 * 7 }}'\""


def test_whatever_comes_from_a_model_is_text() -> None:
    cause = Cause(NASTY, 3, NASTY, NASTY, NASTY, 2, 9)
    check = CheckResult(NASTY, "failed", 1.0, f"{NASTY}\n    again: {NASTY}", 3, NASTY)
    export = ExportResult(NASTY, checks=[check], anchors=[{NASTY: 3}], device={NASTY: NASTY})
    export.signature.inputs = {NASTY: [NASTY, 3]}
    export.values.verdict, export.values.counterexample, export.values.causes = "diverges", {NASTY: NASTY}, [cause]
    model = ModelResult(NASTY, NASTY, NASTY, NASTY, 3, [export, ExportResult("onnx")], [NASTY], NASTY)
    model.ladder = [{"axis": NASTY, NASTY: NASTY, "onnx": NASTY}]
    text = page_of(RunReport({NASTY: NASTY}, [model]))
    page = Page(text)
    assert page.open == []
    assert "img" not in page.tags
    assert page.tags.count("script") == 1
    assert "\x1b" not in text
    assert "{{ 7 * 7 }}" in text


def test_what_to_run_stands_to_be_copied() -> None:
    message = 'axis diverges\n    again: pytest -x "torchscript::m::test_axis[t]"\n    hint: none'
    check = CheckResult("axis[t]", "failed", 1.0, message, 3, "out dir/m.py")
    text = page_of(RunReport(models=[ModelResult("m", exports=[ExportResult("torchscript", checks=[check])])]))
    shown = "".join(Page(text).shown)
    assert text.count('<button type="button" hidden>Copy</button>') == 2
    assert 'pytest -x "torchscript::m::test_axis[t]"' in shown
    assert "python 'out dir/m.py'" in shown
    check.message += "\n    reproducer: PYTHONPATH=/src python 'out dir/m.py'"
    text = page_of(RunReport(models=[ModelResult("m", exports=[ExportResult("torchscript", checks=[check])])]))
    assert ">PYTHONPATH=/src python &#39;out dir/m.py&#39;</pre><button" in text


def test_a_source_line_and_its_carets_are_not_parted() -> None:
    message = "axis diverges\n        y = int(x) < 2\n            ^^^^^^\n    hint: none"
    check = CheckResult("axis[t]", "failed", 1.0, message, 3)
    text = page_of(RunReport(models=[ModelResult("m", exports=[ExportResult("torchscript", checks=[check])])]))
    code = '<span class="code">        y = int(x) &lt; 2\n            ^^^^^^</span>'
    assert f"axis diverges\n{code}    hint: none</pre>" in text


def test_models_are_told_apart_by_the_verdicts_of_their_axes() -> None:
    def model(*verdicts: str) -> ModelResult:
        axes = [AxisResult(f"a{number}", 1, 9, verdict) for number, verdict in enumerate(verdicts)]
        return ModelResult("-".join(verdicts), exports=[ExportResult("torchscript", axes=axes)])

    models = [model("dynamic", "fixed"), model("dynamic", "dynamic"), model("diverges"), model()]
    text = page_of(RunReport(models=models))
    assert re.findall(r'data-axes="([\w ]*)"', text) == ["fixed dynamic", "dynamic", "diverges", ""]
    filters = re.findall(r'name="axis" value="(\w+)" checked>.*</span> (\d+)</label>', text)
    assert filters == [("diverges", "1"), ("fixed", "1"), ("dynamic", "2")]


def test_code_in_notes_and_inputs_found_keep_their_lines() -> None:
    note = "it takes its flat form:\n    class Flat:\n        def forward(self, x): return x"
    inputs = '{\n    "x": TensorSpec("<batch>", 4),\n}'
    page = Page(page_of(RunReport(models=[ModelResult("m", notes=[note], inputs_found=inputs)])))
    shown = "".join(page.shown)
    assert "class Flat:\n    def forward(self, x): return x" in shown
    assert inputs in shown


def test_the_frozen_expression_is_marked() -> None:
    export = ExportResult("torchscript")
    export.values.verdict = "diverges"
    export.values.causes = [Cause("m.py", 3, "f", "y = int(x) < 2", "1 became 2", 5, 10)]
    text = page_of(RunReport(models=[ModelResult("m", exports=[export])]))
    assert "<pre>y = <mark>int(x)</mark> &lt; 2\n    ^^^^^^</pre>" in text
