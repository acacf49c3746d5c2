from __future__ import annotations

from html.parser import HTMLParser

from pytest_torchscript.report.html_report import to_html
from pytest_torchscript.results import RunReport


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
    page = Page(to_html(report).decode())
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
    assert "No model was checked." in to_html(RunReport()).decode()
